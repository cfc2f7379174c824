// How do two processes move a whole folder, verified, with nothing but a ticket between them?
//
// This program starts two more of itself. The provider adds the folder by reference, serves it and prints a ticket. The getter
// has only the ticket: it dials by public key, fetches into a store of its own, and writes the files out. At the end every file
// is compared with its original, by a hash that has nothing to do with the one of the transfer.
// Run: npm start, or npx tsx examples/send-a-folder.ts [FOLDER]
import { type ChildProcess, fork } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { on, once } from 'node:events'
import { createReadStream } from 'node:fs'
import { cp, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { Endpoint, Router } from 'gaiwan'
import { ALPN, Blobs, BlobStore, BlobTicket } from 'gaiwan/blobs'

const SAMPLE_BYTES = 256 * 1024 * 1024
const LOOPBACK = { bind: '127.0.0.1:0' }

/** What the two tell their parent. */
type Message =
  | { type: 'ready'; ticket: string; id: string; files: number; bytes: number; importMs: number }
  | { type: 'progress'; bytes: number }
  | { type: 'received'; bytes: number; fetchMs: number; exportMs: number }

/** Waits until the parent has it, so that the last message is not lost when the process ends. */
function tell(message: Message): Promise<void> {
  return new Promise((resolve, reject) => process.send!(message, (error: Error | null) => (error ? reject(error) : resolve())))
}

// ---------------------------------------------------------------- the provider

async function provide(folder: string, place: string): Promise<void> {
  const store = await BlobStore.open(place)
  const begun = performance.now()
  const { hash, format, entries, totalBytes } = await store.addDirectory(folder, { mode: 'reference' })
  const importMs = performance.now() - begun
  const endpoint = await Endpoint.bind(LOOPBACK)
  const blobs = new Blobs(endpoint, store)
  const router = Router.builder(endpoint).accept(ALPN, blobs).spawn()
  const ticket = blobs.ticket(hash, format)
  await tell({ type: 'ready', ticket, id: endpoint.id, files: entries.length, bytes: totalBytes, importMs })
  await once(process, 'message') // the parent says when it is over
  await router.shutdown()
  await store.close()
  process.disconnect()
}

// ---------------------------------------------------------------- the getter

async function get(ticket: string, place: string, target: string): Promise<void> {
  const store = await BlobStore.open(place)
  const endpoint = await Endpoint.bind(LOOPBACK)
  const download = new Blobs(endpoint, store).download(ticket)
  let bytes = 0
  for await (const event of download) {
    if (event.type !== 'progress') continue
    bytes = event.bytes
    await tell({ type: 'progress', bytes })
  }
  const { stats } = await download
  const begun = performance.now()
  await store.exportCollection(BlobTicket.decode(ticket).hash, target)
  await tell({ type: 'received', bytes, fetchMs: stats.elapsedMs, exportMs: performance.now() - begun })
  await endpoint.close()
  await store.close()
  process.disconnect()
}

// ---------------------------------------------------------------- the parent

/** The source of this package and one large file, as a folder worth sending. */
async function sampleFolder(place: string): Promise<string> {
  const folder = join(place, 'sample')
  for (const part of ['ts', 'crates', 'docs']) {
    await cp(fileURLToPath(new URL(`../${part}`, import.meta.url)), join(folder, part), {
      recursive: true,
      filter: (path) => !path.includes('target'),
    })
  }
  await using file = await open(join(folder, 'large.bin'), 'w')
  const block = Buffer.alloc(1024 * 1024)
  for (let written = 0; written < SAMPLE_BYTES; written += block.length) await file.write(randomFillSync(block))
  return folder
}

/** Paths and hashes of all files below a folder. */
async function contents(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const hash = createHash('sha256')
    await pipeline(createReadStream(path), hash)
    found.set(relative(folder, path), hash.digest('hex'))
  }
  return found
}

/** A process of this program, and what it says. */
function start(...args: string[]): { child: ChildProcess; said: (type: Message['type']) => Promise<Message> } {
  const child = fork(fileURLToPath(import.meta.url), args, { stdio: 'inherit' })
  const messages = on(child, 'message', { close: ['exit'] })
  const said = async (type: Message['type']): Promise<Message> => {
    for await (const [message] of messages as AsyncIterable<[Message]>) {
      if (message.type === 'progress' && process.stdout.isTTY) process.stdout.write(`\r${megabytes(message.bytes)} verified`)
      if (message.type === type) return message
    }
    throw new Error(`the process "${args[0]}" ended before it said "${type}"`)
  }
  return { child, said }
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

async function main(given: string | undefined): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), 'gaiwan-send-a-folder-'))
  const children: ChildProcess[] = []
  try {
    const folder = given === undefined ? await sampleFolder(place) : resolve(given)
    const provider = start('provide', folder, join(place, 'here'))
    children.push(provider.child)
    const ready = await provider.said('ready')
    if (ready.type !== 'ready') return
    console.log(
      `provider  ${ready.id.slice(0, 10)}…  ${ready.files} files, ${megabytes(ready.bytes)}, hashed in ${ready.importMs.toFixed(0)} ms`,
    )
    console.log(`ticket    ${ready.ticket.slice(0, 40)}…`)

    const copy = join(place, 'copy')
    const getter = start('get', ready.ticket, join(place, 'there'), copy)
    children.push(getter.child)
    const received = await getter.said('received')
    if (received.type !== 'received') return
    if (process.stdout.isTTY) process.stdout.write('\r')
    const rate = received.bytes / received.fetchMs / 1e3
    console.log(
      `getter    fetched and verified ${megabytes(received.bytes)} in ${received.fetchMs.toFixed(0)} ms, ${rate.toFixed(0)} MB/s, on disk`,
    )

    const [before, after] = await Promise.all([contents(folder), contents(copy)])
    const same = before.size === after.size && [...before].every(([path, hash]) => after.get(path) === hash)
    if (!same) throw new Error('the copy is not the same as the folder')
    console.log(`both      ${after.size} files are the same, by SHA-256; written out in ${received.exportMs.toFixed(0)} ms`)
    provider.child.send('over')
    await Promise.all(children.map((child) => (child.exitCode === null ? once(child, 'exit') : null)))
  } finally {
    for (const child of children) child.kill()
    await rm(place, { recursive: true, force: true })
  }
}

const [role, ...args] = process.argv.slice(2)
if (role === 'provide') await provide(args[0]!, args[1]!)
else if (role === 'get') await get(args[0]!, args[1]!, args[2]!)
else await main(role)
