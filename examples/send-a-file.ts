// How do two processes find each other by public key and move a file?
//
// This program starts two more of itself. The provider binds an endpoint and prints a ticket: its public key and where it
// listens. The getter has nothing but the ticket. They agree on an ALPN, here the way to hash; the file goes through one
// QUIC stream; each end hashes what it sent or got, and both must agree.
// Run: npm start, or npx tsx examples/send-a-file.ts [FILE]
import { type ChildProcess, fork } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { on, once } from 'node:events'
import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Connection, Endpoint, Router } from 'gaiwan'

const SAMPLE_BYTES = 256 * 1024 * 1024
const BLOCK_BYTES = 256 * 1024
const HASHES: Record<string, string> = { 'example/file/sha256': 'sha256', 'example/file/blake2b512': 'blake2b512' }
const LOOPBACK = { bind: '127.0.0.1:0' }

/** What the two tell their parent. */
type Message =
  | { type: 'ready'; ticket: string; id: string; at: string }
  | { type: 'agreed'; alpn: string; remoteId: string }
  | { type: 'progress'; bytes: number; of: number }
  | { type: 'received'; bytes: number; hash: string; seconds: number }
  | { type: 'sent'; hash: string; theirs: string }

/** Waits until the parent has it, so that the last message is not lost when the process ends. */
function tell(message: Message): Promise<void> {
  return new Promise((resolve, reject) => process.send!(message, (error: Error | null) => (error ? reject(error) : resolve())))
}

// ---------------------------------------------------------------- the provider

async function provide(path: string): Promise<void> {
  const endpoint = await Endpoint.bind(LOOPBACK)
  let router: Router | undefined
  const served = new Promise<void>((resolve, reject) => {
    router = Router.builder(endpoint)
      .accept(Object.keys(HASHES), (connection) => serve(connection, path).then(resolve, reject))
      .spawn()
  })
  await tell({ type: 'ready', ticket: endpoint.ticket(), id: endpoint.id, at: endpoint.boundAddresses.join(', ') })
  try {
    await served
  } finally {
    await router?.shutdown()
  }
}

/** On one stream: the size (8 bytes), the file, its hash; then the getter's hash comes back. */
async function serve(connection: Connection, path: string): Promise<void> {
  const stream = await connection.acceptBi()
  if (stream === null) throw new Error('the getter left without asking')
  const { send, recv } = stream
  await recv.readExact('get'.length)
  const hash = createHash(HASHES[connection.alpn]!)
  await using file = await open(path)
  const head = Buffer.alloc(8)
  head.writeBigUInt64LE(BigInt((await file.stat()).size))
  await send.write(head)
  const block = Buffer.alloc(BLOCK_BYTES)
  for (;;) {
    const { bytesRead } = await file.read(block, 0, block.length)
    if (bytesRead === 0) break
    const bytes = block.subarray(0, bytesRead)
    hash.update(bytes)
    await send.write(bytes) // copied before it returns: the block may be used again
  }
  const digest = hash.digest()
  await send.write(digest)
  await send.finish()
  const theirs = Buffer.from(await recv.readToEnd(digest.length))
  await tell({ type: 'sent', hash: digest.toString('hex'), theirs: theirs.toString('hex') })
  connection.close(0, 'all sent') // whoever reads last closes
}

// ---------------------------------------------------------------- the getter

async function get(ticket: string, path: string): Promise<void> {
  const endpoint = await Endpoint.bind(LOOPBACK)
  const connection = await endpoint.connect(ticket, Object.keys(HASHES).reverse())
  await tell({ type: 'agreed', alpn: connection.alpn, remoteId: connection.remoteId })
  const begin = performance.now()
  const { send, recv } = await connection.openBi()
  await send.write('get')
  const size = Number(Buffer.from(await recv.readExact(8)).readBigUInt64LE())
  const hash = createHash(HASHES[connection.alpn]!)
  await using file = await open(path, 'wx')
  // Two blocks take turns: while one is written to the disk, the other is filled from the stream.
  const blocks = [Buffer.alloc(BLOCK_BYTES), Buffer.alloc(BLOCK_BYTES)]
  let writing: Promise<void> = Promise.resolve()
  const write = async (part: Buffer, at: number) => {
    for (let done = 0; done < part.length; ) done += (await file.write(part, done, part.length - done, at + done)).bytesWritten
  }
  let told = begin
  for (let bytes = 0, turn = 0; bytes < size; turn ^= 1) {
    const room = blocks[turn]!.subarray(0, Math.min(BLOCK_BYTES, size - bytes))
    const part = room.subarray(0, await recv.readInto(room))
    if (part.length === 0) throw new Error(`the file ended after ${bytes} of ${size} bytes`)
    hash.update(part)
    await writing
    writing = write(part, bytes)
    bytes += part.length
    if (performance.now() - told > 100) {
      told = performance.now()
      await tell({ type: 'progress', bytes, of: size })
    }
  }
  await writing
  const digest = hash.digest()
  const theirs = Buffer.from(await recv.readToEnd(digest.length))
  const seconds = (performance.now() - begin) / 1000
  await send.write(digest)
  await send.finish()
  if (!digest.equals(theirs)) throw new Error('the bytes that arrived have another hash')
  await tell({ type: 'received', bytes: size, hash: digest.toString('hex'), seconds })
  await connection.closed
  await endpoint.close()
}

// ---------------------------------------------------------------- the parent

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
const line = (label: string, text: string) => console.log(`  ${label.padEnd(10)}${text}`)

/** Everything a child tells until it ends; throws if it ends badly. */
async function* told(child: ChildProcess, role: string): AsyncGenerator<Message> {
  const ended = once(child, 'exit')
  for await (const [message] of on(child, 'message', { close: ['disconnect'] })) yield message as Message
  const [code, signal] = await ended
  if (code !== 0) throw new Error(`the ${role} ended with ${signal ?? `status ${code}`}`)
}

async function sample(path: string): Promise<string> {
  await using file = await open(path, 'wx')
  const block = Buffer.alloc(1024 * 1024)
  for (let bytes = 0; bytes < SAMPLE_BYTES; bytes += block.length) await file.appendFile(randomFillSync(block))
  return path
}

/** Shows what the getter tells; answers the hash of what it got. */
async function watchGetter(getter: ChildProcess): Promise<string> {
  const bar = process.stdout.isTTY
  let hash = ''
  for await (const message of told(getter, 'getter')) {
    if (message.type === 'agreed') {
      line('ALPN', `${message.alpn}, one of ${Object.keys(HASHES).length} offered; the peer proved to be ${message.remoteId.slice(0, 10)}`)
    } else if (message.type === 'progress' && bar) {
      const marks = '#'.repeat((30 * message.bytes) / message.of).padEnd(30, '.')
      process.stdout.write(`\r  progress  ${marks} ${mb(message.bytes)} `)
    } else if (message.type === 'received') {
      hash = message.hash
      if (bar) process.stdout.write(`\r${' '.repeat(60)}\r`)
      line('received', `${mb(message.bytes)} in ${message.seconds.toFixed(2)} s, hashed and written to disk`)
      line('speed', `${(message.bytes / 1e6 / message.seconds).toFixed(0)} MB/s`)
    }
  }
  return hash
}

async function main(given: string | undefined): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'gaiwan-send-a-file-'))
  const children: ChildProcess[] = []
  const stop = () => {
    for (const child of children) child.kill()
  }
  process.once('SIGINT', stop).once('SIGTERM', stop)
  // The same program in another role, with the same loaders.
  const start = (...args: string[]) => {
    const child = fork(fileURLToPath(import.meta.url), args)
    children.push(child)
    return child
  }
  try {
    const source = given ?? (await sample(join(folder, 'sample.bin')))
    const { size } = await stat(source)
    console.log('Two endpoints in two processes, found by public key:')
    line('file', `${basename(source)}, ${mb(size)}`)
    const provider = start('--provide', source)
    const words = told(provider, 'provider')
    const { value: ready } = await words.next()
    if (ready?.type !== 'ready') throw new Error('the provider has no ticket')
    line('provider', `process ${provider.pid}, id ${ready.id.slice(0, 10)}, at ${ready.at}`)
    const getter = start('--get', ready.ticket, join(folder, 'received.bin'))
    line('getter', `process ${getter.pid}, knows the ticket ${ready.ticket.slice(0, 24)}… and nothing else`)
    const [received, { value: sent }] = await Promise.all([watchGetter(getter), words.next()])
    if (sent?.type !== 'sent' || sent.hash !== received || sent.theirs !== received) throw new Error('the two ends have different hashes')
    await words.next() // the end of the provider
    line('verified', `${received.slice(0, 32)}… at both ends`)
  } finally {
    stop()
    await rm(folder, { recursive: true, force: true })
  }
}

const [role, ...rest] = process.argv.slice(2)
const job = role === '--provide' ? provide(rest[0]!) : role === '--get' ? get(rest[0]!, rest[1]!) : main(role)
await job.catch((error: Error) => {
  console.error(`send-a-file: ${error.message}`)
  process.exitCode = 1
})
