// The samples of the contract, byte for byte: they must compile against the built types, and do what they say.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { BlobStore, BlobTicket } from '../../ts/blobs/index.js'
import { Endpoint, EndpointTicket } from '../../ts/index.js'
import { Program, run, top } from './programs.js'

const folder = '__test__/examples/samples'
/** SHA-256 of each sample as it was handed out. */
const ORIGINALS: Readonly<Record<string, string>> = {
  'accept-loop.ts': '9ca07d08c8f6cd907db61aa2393653ad564e005a88149b6a39bcf90e09beb15b',
  'automerge-repo.ts': '9827a319de363261b9f10f5d2ed3391e72f4ef0e85a59a7d2b22c84d9fd69e4f',
  'chat.ts': '8a858152cab6df818e9653aa7c47190557713e4926edede7d9b6a95ae7bae6e5',
  'echo.ts': '7ae8b7a6d82bbd997993a270a0b8bab6213af89489e4c186be12f287ed3b66ae',
  'gateway.ts': 'bf468b84a5afb353b98c1063358e3811527a738993f31f1452d5095fff9f4460',
  'share-folder.ts': '1271b077dabd29da4103dd9facb4576c7a576884413cdf15af4a22b4ac5142e6',
  'typed-rpc.ts': 'e7adbd25d2da895cc71c3697a9dd344e03e0dda4c537b1840b2fbb82988aaaf7',
  'versions.ts': '7fb25e4d08d8ae307e21d6b42eb97c68d1539834eab7ad2500ccbfbea0b11663',
  'zero-rtt.ts': 'd704c35772a80718cf6f6aa44aa1aa3be009a528c04d89977356f4ec2c5d3329',
}

test('the samples are as they were handed out', (t) => {
  t.deepEqual(readdirSync(join(top, folder)).sort(), [...Object.keys(ORIGINALS), 'README.md', 'biome.json'].sort())
  for (const [name, hash] of Object.entries(ORIGINALS)) {
    t.is(
      createHash('sha256')
        .update(readFileSync(join(top, folder, name)))
        .digest('hex'),
      hash,
      name,
    )
  }
})

test('the samples compile under strict against the built types', (t) => {
  // Inside the repository, so that `gaiwan` means this package.
  const project = mkdtempSync(join(top, '__test__/examples/.tsc-'))
  t.teardown(() => rmSync(project, { recursive: true, force: true }))
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    moduleResolution: 'nodenext',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
  }
  const files = Object.keys(ORIGINALS).map((name) => join(top, folder, name))
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const tsc = join(top, 'node_modules/typescript/bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', project, '--listFiles'], { cwd: top, encoding: 'utf8' })
  t.is(status, 0, stdout)
  t.true(stdout.includes('/dist/index.d.ts'), 'the types are the built ones')
})

// One after the other: the machine should have time for each, since some give their peers a second and no more.
test.serial('echo', async (t) => {
  const { status, stdout, stderr } = await run(t, `${folder}/echo.ts`)
  t.is(stderr, '')
  t.is(stdout, 'hello, world\nhello again\n')
  t.is(status, 0)
})

test.serial('versions', async (t) => {
  const { status, stdout, stderr } = await run(t, `${folder}/versions.ts`)
  t.is(stderr, '')
  t.is(stdout, 'example/greet/2 Hello, tea!\nexample/greet/1 Hello, tea.\nno version in common\n')
  t.is(status, 0)
})

test.serial('zero-rtt', async (t) => {
  const { status, stdout, stderr } = await run(t, `${folder}/zero-rtt.ts`)
  t.is(stderr, '')
  t.is(stdout, '27 coins (early: false)\n27 coins (early: true)\n')
  t.is(status, 0)
})

test.serial('typed-rpc', async (t) => {
  const { status, stdout, stderr } = await run(t, `${folder}/typed-rpc.ts`)
  t.is(stderr, '')
  const [buys, ...rest] = stdout.trimEnd().split('\n')
  t.regex(buys as string, /^only 100 g left$/)
  t.deepEqual(rest, ['sencha ', 'assam new', '100', '50', 'ding, a customer'])
  t.is(status, 0)
})

test.serial('accept-loop', async (t) => {
  const program = Program.start(t, `${folder}/accept-loop.ts`)
  const ticket = await program.says(/^dial me at (endpoint\S+)$/m)
  const me = await Endpoint.bind({ bind: '127.0.0.1:0', closeTimeoutMs: 200 })
  t.teardown(() => me.close())
  const connection = await me.connect({ id: EndpointTicket.decode(ticket).id, addresses: ['127.0.0.1:4433'] }, 'example/clock/1')
  for await (const datagram of connection.datagrams()) {
    t.regex(new TextDecoder().decode(datagram), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    break
  }
  connection.close(3)
  t.is(await program.says(/^([0-9a-f]{10} left: .*)$/m), `${me.id.slice(0, 10)} left: remote 3n`)
  program.kill('SIGINT')
  const { status, signal, stderr } = await program.ended
  t.deepEqual([status, signal, stderr], [0, null, ''])
})

/** A folder to work in. */
function place(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'gaiwan-samples-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

test.serial('share-folder', async (t) => {
  const [here, there] = [place(t), place(t)]
  const photos = { 'a.jpg': new Uint8Array(300_000).map((_, n) => n % 251), 'b/c.txt': Buffer.from('tea') }
  mkdirSync(join(here, 'photos/b'), { recursive: true })
  for (const [name, data] of Object.entries(photos)) writeFileSync(join(here, 'photos', name), data)
  const send = Program.start(t, `${folder}/share-folder.ts`, ['send', './photos'], here)
  t.is(await send.says(/^(2 files, 300003 bytes)$/m), '2 files, 300003 bytes')
  const { addr, ...content } = BlobTicket.decode(await send.says(/^(blob[a-z2-7]+)$/m))
  // It listens on every interface; this test stays on loopback.
  const [port] = /\d+$/.exec(addr.addresses!.find((address) => !address.startsWith('['))!)!
  const ticket = BlobTicket.encode({ ...content, addr: { id: addr.id, addresses: [`127.0.0.1:${port}`] } })
  const get = await Program.start(t, `${folder}/share-folder.ts`, ['get', ticket, './copy'], there).ended
  t.is(get.stderr, '')
  t.regex(get.stdout, /\nfetched in [\d.]+ ms\n$/)
  t.is(get.status, 0)
  for (const [name, data] of Object.entries(photos)) t.true(readFileSync(join(there, 'copy', name)).equals(data), name)
  // The list by itself; then the names and the two files.
  t.true(Number(await send.says(/^sent (\d{6}) bytes$/m)) > 300_003)
  send.kill('SIGINT')
  const { status, signal, stderr } = await send.ended
  t.deepEqual([status, signal, stderr], [0, null, ''])
})

/** A connection for each request: one that is kept may end just when it is needed. */
const ONCE = { connection: 'close' }

/** Asks until somebody listens: the sample does not say when. */
async function first(url: string, program: Program): Promise<Response> {
  let isOver = false
  void program.ended.then(() => {
    isOver = true
  })
  for (;;) {
    try {
      return await fetch(url, { headers: ONCE })
    } catch (error) {
      if (isOver) throw new Error((await program.ended).stderr, { cause: error })
      await sleep(20)
    }
  }
}

test.serial('chat', async (t) => {
  const start = (...args: string[]) => Program.start(t, `${folder}/chat.ts`, args, top, 'pipe')
  const first = start('a room of its own')
  const ticket = await first.says(/^others join with: chat\.ts 'a room of its own' (endpoint\S+)$/m)
  const { id, addresses = [] } = EndpointTicket.decode(ticket)
  // It listens on every interface; this test stays on loopback.
  const [port] = /\d+$/.exec(addresses.find((address) => !address.startsWith('['))!)!
  const second = start('a room of its own', EndpointTicket.encode({ id, addresses: [`127.0.0.1:${port}`] }))
  await second.says(new RegExp(`^\\* ${id.slice(0, 10)} is near$`, 'm'))
  const other = await first.says(/^\* ([0-9a-f]{10}) is near$/m)
  second.stdin.write('is the kettle on?\n')
  await first.says(new RegExp(`^${other}: is the kettle on\\?$`, 'm'))
  first.stdin.write('it is\n')
  await second.says(new RegExp(`^${id.slice(0, 10)}: it is$`, 'm'))
  second.stdin.end()
  const left = await second.ended
  t.deepEqual([left.status, left.signal, left.stderr], [0, null, ''])
  await first.says(new RegExp(`^\\* ${other} left$`, 'm'))
  first.stdin.end()
  const { status, signal, stderr } = await first.ended
  t.deepEqual([status, signal, stderr], [0, null, ''])
})

test.serial('automerge-repo', async (t) => {
  const start = (...args: string[]) => Program.start(t, `${folder}/automerge-repo.ts`, args)
  const first = start()
  const [ticket, url] = (await first.says(/^automerge-repo\.ts (endpoint\S+ automerge:\S+)$/m)).split(' ') as [string, string]
  const { id, addresses = [] } = EndpointTicket.decode(ticket)
  // It listens on every interface; this test stays on loopback.
  const [port] = /\d+$/.exec(addresses.find((address) => !address.startsWith('['))!)!
  const second = start(EndpointTicket.encode({ id, addresses: [`127.0.0.1:${port}`] }), url)
  t.is(await second.says(/^met ([0-9a-f]{10})$/m), id.slice(0, 10))
  const other = await first.says(/^met ([0-9a-f]{10})$/m)
  await first.says(new RegExp(`^tea, milk of ${id.slice(0, 6)}, milk of ${other.slice(0, 6)}$`, 'm'))
  await second.says(new RegExp(`^tea, milk of ${id.slice(0, 6)}, milk of ${other.slice(0, 6)}$`, 'm'))
  for (const program of [second, first]) {
    program.kill('SIGINT')
    const { status, signal, stderr } = await program.ended
    t.deepEqual([status, signal, stderr], [0, null, ''])
  }
})

test.serial('gateway', async (t) => {
  const here = place(t)
  const store = await BlobStore.open(join(here, 'blobs'))
  const data = new Uint8Array(100_000).map((_, n) => n % 251)
  const { hash } = await store.add(data)
  await store.close()
  const gateway = Program.start(t, `${folder}/gateway.ts`, [], here)
  const url = `http://127.0.0.1:8080/${hash}`
  const whole = await first(url, gateway)
  t.is(whole.status, 200)
  t.is(whole.headers.get('etag'), `"${hash}"`)
  t.deepEqual(new Uint8Array(await whole.arrayBuffer()), data)
  for (const [range, start, end] of [
    ['bytes=5-9', 5, 10],
    ['bytes=99990-', 99_990, 100_000],
    ['bytes=-5', 99_995, 100_000],
  ] as const) {
    const part = await fetch(url, { headers: { ...ONCE, range } })
    t.is(part.status, 206)
    t.is(part.headers.get('content-range'), `bytes ${start}-${end - 1}/100000`)
    t.deepEqual(new Uint8Array(await part.arrayBuffer()), data.slice(start, end))
  }
  t.is((await fetch(url, { headers: { ...ONCE, range: 'bytes=100000-' } })).status, 416)
  t.is((await fetch(url, { headers: { ...ONCE, 'if-none-match': `"${hash}"` } })).status, 304)
  t.is((await fetch(`http://127.0.0.1:8080/${'ab'.repeat(32)}`, { headers: ONCE })).status, 404)
  gateway.kill('SIGTERM')
  const { signal, stderr } = await gateway.ended
  t.deepEqual([signal, stderr], ['SIGTERM', ''])
})
