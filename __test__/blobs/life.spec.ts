// What becomes of stores when nobody looks: garbage, the end of the process, other threads, memory.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { runChild } from '../helpers/child.js'
import { folder } from '../helpers/store.js'

const sources = new URL('../../ts/blobs/index.ts', import.meta.url).href
/** Loaders of TypeScript do not reach worker threads everywhere, so these use what `npm run build:ts` made. */
const compiled = new URL('../../dist/blobs/index.js', import.meta.url).href

/** Fifty megabytes at once, then so little that neither memory nor the disk is full before whoever is to end it does. */
const ENDLESS = `
async function* endless() {
  for (let n = 0; ; n++) {
    if (n > 500) await new Promise((resolve) => setImmediate(resolve))
    yield new Uint8Array(n > 500 ? 100 : 100_000)
  }
}
`

const prelude = (directory: string) => `${ENDLESS}
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
const { BlobStore, hash } = await import('${sources}')
const directory = ${JSON.stringify(directory)}
const turn = () => new Promise((resolve) => setImmediate(resolve))
async function gone(check, ms = 60_000) {
  const end = Date.now() + ms
  while (!(await check())) {
    if (Date.now() > end) throw new Error('still there: ' + check)
    globalThis.gc()
    await turn()
  }
}
/** Open files of the store's data. */
const open = () => readdirSync('/proc/self/fd').filter((fd) => {
  try { return readlinkSync('/proc/self/fd/' + fd).includes('.data') } catch { return false }
}).length
`

/** Runs the body with the prelude and expects a clean end. */
const lifeTest = (title: string, body: string, flags: readonly string[] = ['--expose-gc']) =>
  test(title, async (t) => {
    const program = `${prelude(join(folder(t), 'store'))}\n${body}\nconsole.log('ok')`
    const { status, stdout, stderr } = await runChild(t, program, { flags })
    t.is(status, 0, stderr)
    t.is(stdout, 'ok\n')
    t.is(stderr, '')
  })

lifeTest(
  'a store that nobody holds any more gives its directory free, its clock stops',
  `
  await (async () => {
    const store = await BlobStore.open(directory, { gcIntervalMs: 10_000_000 })
    await store.add('kept', { tag: 'kept' })
  })()
  let again = null
  await gone(async () => {
    again = await BlobStore.open(directory).catch((error) => { if (error.code !== 'STORE_LOCKED') throw error; return null })
    return again !== null
  })
  if (!(await again.has(hash('kept')))) throw new Error('lost')
  await again.close()
  `,
)

lifeTest(
  'a reader, an iterator and a call keep their store; what is dropped is given back',
  `
  const bytes = new Uint8Array(3_000_000).fill(7)
  const kept = await (async () => {
    const store = await BlobStore.open(directory)
    const { hash } = await store.add(bytes)
    const iterator = store.read(hash)[Symbol.asyncIterator]()
    await iterator.next()
    return { reader: await store.reader(hash), iterator, getting: store.get(hash) }
  })()
  for (let n = 0; n < 50; n++) { globalThis.gc(); await turn() }
  if ((await kept.getting).length !== bytes.length) throw new Error('short')
  if ((await kept.reader.readInto(new Uint8Array(10))) !== 10) throw new Error('lost')
  if ((await kept.iterator.next()).value[0] !== 7) throw new Error('lost')
  if (open() < 2) throw new Error('not open')
  kept.reader = kept.iterator = kept.getting = null
  await gone(() => open() === 0)
  `,
)

lifeTest(
  'a dropped batch gives up what it holds',
  `
  const store = await BlobStore.open(directory)
  await (async () => {
    const batch = store.batch()
    await batch.add('in the batch')
    if ((await store.tags.temporary()).length !== 1) throw new Error('not held')
  })()
  await gone(async () => (await store.tags.temporary()).length === 0)
  await store.close()
  `,
)

lifeTest(
  'the process ends by itself: after a close, with an open store, after a clock that was set',
  `
  const store = await BlobStore.open(directory, { gcIntervalMs: 1_000 })
  const memory = BlobStore.memory({ gcIntervalMs: 1_000 })
  await store.add('x')
  await memory.add('x')
  for await (const _ of store.observe(hash('x'))) break
  void memory.observe(hash('y'))[Symbol.asyncIterator]().next()
  await memory.reader(hash('x'))
  await store.close()
  `,
  [],
)

lifeTest(
  'the process stays until what was asked is done',
  `
  writeFileSync(directory + '.file', new Uint8Array(20_000_000))
  const store = await BlobStore.open(directory)
  const { size } = await store.addFile(directory + '.file')
  if (size !== 20_000_000) throw new Error('short')
  await store.close()
  `,
  [],
)

test('process.exit in the middle of everything is no crash, and what was acknowledged is there', async (t) => {
  const directory = join(folder(t), 'store')
  const { status, signal, stdout, stderr } = await runChild(
    t,
    `${prelude(directory)}
    const store = await BlobStore.open(directory)
    for (let n = 0; n < 200; n++) void store.add('blob ' + n)
    void store.add(endless())
    const { hash: it } = await store.add('acknowledged')
    console.log(it)
    setImmediate(() => process.exit(3))`,
  )
  t.deepEqual([status, signal], [3, null], stderr)
  const again = await runChild(
    t,
    `${prelude(directory)}
    const store = await BlobStore.open(directory)
    console.log(await store.has('${stdout.trim()}'), (await store.tags.list()[Symbol.asyncIterator]().next()).done)
    for await (const event of store.verify()) if (event.type === 'bad' || event.type === 'missing') console.log(event)
    await store.close()`,
  )
  t.is(again.stdout, 'true false\n', again.stderr)
  t.deepEqual(readdirSync(join(directory, 'temp')), [])
})

test('a stream of 64 MiB is added with flat memory', async (t) => {
  const directory = join(folder(t), 'store')
  const { status, stdout, stderr } = await runChild(
    t,
    `${prelude(directory)}
    const MIB = 1024 * 1024
    const store = await BlobStore.open(directory)
    let most = 0
    async function* source(mib) {
      const chunk = new Uint8Array(64 * 1024)
      for (let n = 0; n < mib * 16; n++) {
        chunk[0] = n
        chunk[1] = n >> 8
        if (n % 64 === 0) {
          globalThis.gc()
          most = Math.max(most, process.memoryUsage().rss)
        }
        yield chunk
      }
    }
    await store.add(source(8))
    globalThis.gc()
    const before = process.memoryUsage().rss
    most = 0
    const { hash: it, size } = await store.add(source(64))
    if (size !== 64 * MIB) throw new Error('short')
    const added = most - before
    most = 0
    let pieces = 0
    for await (const piece of store.read(it)) {
      // What is garbage does not count, whenever the engine would see to it.
      if (pieces++ % 8 === 0) globalThis.gc()
      most = Math.max(most, process.memoryUsage().rss)
    }
    console.log(JSON.stringify({ added: added / MIB, read: (most - before) / MIB }))
    await store.close()`,
    { flags: ['--expose-gc'] },
  )
  t.is(status, 0, stderr)
  const { added, read } = JSON.parse(stdout) as { added: number; read: number }
  t.log(`grew by ${added.toFixed(1)} MiB while added, ${read.toFixed(1)} MiB while read`)
  t.true(added < 24, `${added}`)
  t.true(read < 48, `${read}`)
})

const WORKER = `${ENDLESS}
import { parentPort, workerData } from 'node:worker_threads'
const { BlobStore } = await import('${compiled}')
const { kind, directory } = workerData
const store = await BlobStore.open(directory)
const memory = BlobStore.memory()
const { hash } = await store.add('tea')
await memory.add(new Uint8Array(100_000))
const answer = new TextDecoder().decode(await store.get(hash))
if (kind === 'close') {
  await store.close()
  await memory.close()
} else {
  void store.add(new Uint8Array(5_000_000))
  void memory.add(endless()).catch(() => {})
}
parentPort.postMessage(answer)
if (kind === 'exit') process.exit(0)
`

test('worker threads use stores and leave: closed, by exit, and terminated in the middle', async (t) => {
  const directory = folder(t)
  const { status, signal, stdout, stderr } = await runChild(
    t,
    `${prelude(directory)}
    import { Worker } from 'node:worker_threads'
    const code = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(WORKER)}))
    async function run(kind, n) {
      const worker = new Worker(code, { workerData: { kind, directory: directory + '/' + n } })
      const exited = new Promise((resolve) => worker.once('exit', resolve))
      const answer = await new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
      if (answer !== 'tea') throw new Error(answer)
      if (kind === 'terminate') await worker.terminate()
      else await exited
      // Whatever the end was, the directory becomes free.
      let store = null
      while (store === null) {
        store = await BlobStore.open(directory + '/' + n).catch((error) => { if (error.code !== 'STORE_LOCKED') throw error; return null })
        await turn()
      }
      if (!(await store.has(hash('tea')))) throw new Error('lost')
      await store.close()
    }
    const kinds = ['close', 'exit', 'terminate']
    for (let n = 0; n < 12; n += 3) await Promise.all(kinds.map((kind, k) => run(kind, n + k)))
    console.log('ok')`,
    { timeoutMs: 120_000 },
  )
  t.is(signal, null, stderr)
  t.is(status, 0, stderr)
  t.is(stdout, 'ok\n')
  rmSync(directory, { recursive: true, force: true })
})
