// The directory of a store of iroh-blobs 0.104, into a store of ours.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { BlobStore, type FileProgress, type StoreImport } from '../../ts/blobs/index.js'
import { GaiwanError } from '../../ts/index.js'
import { gaiwan, jsonLines } from '../cli/command.js'
import { all, folder, inFolder, inMemory, mod251, same } from '../helpers/store.js'
import { Peer } from './peer.js'

type Test = ExecutionContext<unknown>

/** What the peer says that it made: `interop/src/blobs_directory.rs`. */
interface Made {
  readonly blobs: readonly { readonly hash: string; readonly size: number }[]
  readonly external: string
  readonly collection: string
  readonly children: readonly string[]
  readonly partial: { readonly hash: string; readonly size: number; readonly bitfield: { readonly boundaries: readonly string[] } }
  readonly absent: string
  readonly tags: readonly { readonly name: string; readonly hash: string; readonly format: 'raw' | 'hashSeq' }[]
}

const EXTERNAL = mod251(300_000).map((byte) => byte ^ 0x55)
const CHUNK = 1_024
/** Seven of the pattern, of which the empty one is everywhere; the external one; two files with their names and list. */
const WHOLE = 6 + 1 + 4

/** A directory that the real crate has made and left, and the file that it refers to. */
async function made(t: Test, content = EXTERNAL): Promise<Made & { directory: string; file: string; content: Uint8Array }> {
  const peer = await Peer.start(t)
  const at = folder(t)
  const [directory, file] = [join(at, 'iroh'), join(at, 'mine.bin')]
  mkdirSync(directory)
  writeFileSync(file, content)
  const answer = await peer.call<Made>('blobsDirectory', { directory, external: file })
  await peer.close()
  return { ...answer, directory, file, content }
}

/** Names, lengths and contents of all files, so that a change of any shows. */
function picture(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort()
  return Object.fromEntries(paths.map((path) => [path, createHash('sha256').update(readFileSync(path)).digest('hex')]))
}

/** Where the reference keeps a file of a blob. */
function owned(directory: string, hash: string, suffix: 'data' | 'obao4' | 'sizes4' | 'bitfield'): string {
  return join(directory, 'data', `${hash}.${suffix}`)
}

function bytesOf(made: Made): number {
  const seen = made.partial.bitfield.boundaries.map(Number)
  let bytes = 0
  for (let n = 0; n < seen.length; n += 2) bytes += Math.min((seen[n + 1] ?? 2 ** 40) * CHUNK, made.partial.size) - seen[n]! * CHUNK
  return bytes
}

/** Everything is here and reads back. */
async function holdsAll(t: Test, store: BlobStore, from: Made & { content: Uint8Array }): Promise<void> {
  for (const { hash, size } of from.blobs) t.true(same(await store.get(hash), mod251(size)), `${size} bytes`)
  t.true(same(await store.get(from.external), from.content))
  const entries = await store.collection(from.collection)
  t.deepEqual(
    entries.map(({ name, hash, size }) => [name, hash, size]),
    [
      ['a.txt', from.children[0], 3],
      ['dir/b.bin', from.children[1], 20_000],
    ],
  )
  t.is(Buffer.from(await store.get(from.children[0]!)).toString(), 'tea')
  t.true(same(await store.get(from.children[1]!), new Uint8Array(20_000).fill(7)))
  await holdsPart(t, store, from)
  const tags = await all(store.tags.list())
  t.deepEqual(
    tags.map(({ name, hash, format }) => [Buffer.from(name).toString('hex'), hash, format]),
    from.tags.map(({ name, hash, format }) => [name, hash, format]),
  )
  t.false(await store.has(from.absent))
  const bad = (await all(store.verify())).filter(({ type }) => type === 'bad' || type === 'missing')
  t.deepEqual(bad, [])
}

/** Of the partial blob exactly what the reference had, and its bytes are right. */
async function holdsPart(t: Test, store: BlobStore, { partial }: Made): Promise<void> {
  const status = await store.status(partial.hash)
  if (status.state !== 'partial') throw new Error(`it is ${status.state}`)
  t.like(status, { size: partial.size, sizeVerified: true })
  const boundaries = status.ranges.flatMap(({ start, end }) => [start / CHUNK, end / CHUNK])
  const theirs = partial.bitfield.boundaries.map((chunk) => Math.min(Number(chunk) * CHUNK, partial.size) / CHUNK)
  if (theirs.length % 2 === 1) theirs.push(partial.size / CHUNK)
  t.deepEqual(boundaries, theirs)
  const pattern = mod251(partial.size)
  for (const { start, end } of status.ranges) {
    t.true(same(Buffer.concat(await all(store.read(partial.hash, { start, end }))), pattern.subarray(start, end)))
  }
}

const NOTHING: StoreImport = { blobs: 0, bytes: 0, partial: 0, tags: 0, failed: [] }

test('everything comes in, a second time nothing, and the directory stays as it is', async (t) => {
  const from = await made(t)
  t.true(existsSync(owned(from.directory, from.blobs[6]!.hash, 'obao4')), 'five megabytes have pairs in a file')
  t.false(existsSync(owned(from.directory, from.external, 'data')), 'the external file is not theirs')
  const before = picture(from.directory)
  const stores = [inMemory(t), (await inFolder(t)).store, (await inFolder(t, { inlineDataBytes: 0, inlineOutboardBytes: 0 })).store]
  for (const store of stores) {
    const told: FileProgress[] = []
    const first = await store.importStore(from.directory, { onProgress: (progress) => told.push(progress) })
    const sizes = from.blobs.reduce((sum, { size }) => sum + size, 0) + EXTERNAL.length + 3 + 20_000
    const lists = (await store.get(from.collection)).length + (await metaOf(store, from)).length
    t.deepEqual(first, { blobs: WHOLE, bytes: sizes + lists + bytesOf(from), partial: 1, tags: from.tags.length, failed: [] })
    await holdsAll(t, store, from)
    const last = told.at(-1)!
    t.is(last.bytes, last.totalBytes!)
    t.is(last.blobs, last.totalBlobs!)
    t.true(last.totalBlobs! >= WHOLE + 1)

    t.deepEqual(await store.importStore(from.directory), NOTHING)
    await store.gc()
    await holdsAll(t, store, from)
  }
  t.deepEqual(picture(from.directory), before)
  // They are copies.
  rmSync(from.directory, { recursive: true })
  rmSync(from.file)
  for (const store of stores) await holdsAll(t, store, from)
})

/** The names of the collection: the first blob of its list. */
async function metaOf(store: BlobStore, { collection }: Made): Promise<Uint8Array> {
  return store.get((await store.get(collection)).subarray(0, 32))
}

test('a file of the user stays where it is if that is asked for, and a copy is made of it later', async (t) => {
  const from = await made(t)
  const { store, directory } = await inFolder(t)
  await store.importStore(from.directory, { mode: 'reference' })
  await holdsAll(t, store, from)
  const copy = join(directory, 'data', `${from.external}.data`)
  t.false(existsSync(copy))
  t.true(existsSync(join(directory, 'data', `${from.blobs[5]!.hash}.data`)), 'what the reference owns is copied')
  t.like(await store.importStore(from.directory, { mode: 'reference' }), NOTHING)
  t.like(await store.importStore(from.directory), { blobs: 1, bytes: EXTERNAL.length })
  t.true(existsSync(copy))
})

test('what is damaged is told by blob, what is good of it comes in, and the others come', async (t) => {
  const from = await made(t)
  const [small, middle, large] = from.blobs.slice(4)
  // A flipped byte, a file that is gone, an outboard that is cut, a file that is cut, and an external file that has changed.
  const flipped = owned(from.directory, middle!.hash, 'data')
  const bytes = readFileSync(flipped)
  bytes[40_000]! ^= 1
  writeFileSync(flipped, bytes)
  rmSync(owned(from.directory, small!.hash, 'data'))
  truncateSync(owned(from.directory, large!.hash, 'obao4'), 100)
  truncateSync(owned(from.directory, from.children[1]!, 'data'), 16_384)
  writeFileSync(
    from.file,
    EXTERNAL.map((byte, n) => (n === 299_999 ? byte ^ 1 : byte)),
  )
  const before = picture(from.directory)

  const { store } = await inFolder(t)
  const imported = await store.importStore(from.directory)
  const lost = [small!.hash, middle!.hash, from.children[1]!, from.external]
  t.deepEqual(imported.failed.map(({ hash }) => hash).sort(), [...lost].sort())
  for (const { hash, message } of imported.failed) t.true(message.length > 10 && !(await store.has(hash)), message)
  t.like(imported, { blobs: WHOLE - 4, partial: 1 + 3, tags: from.tags.length })
  t.true(same(await store.get(large!.hash), mod251(large!.size)), 'its pairs are made anew')
  t.is((await store.status(small!.hash)).state, 'absent')
  // All but the group with the flipped byte, 16 KiB.
  t.deepEqual((await store.status(middle!.hash)) as unknown, {
    state: 'partial',
    size: 70_000,
    sizeVerified: true,
    ranges: [
      { start: 0, end: 32_768 },
      { start: 49_152, end: 70_000 },
    ],
  })
  await holdsPart(t, store, from)
  const verdicts = (await all(store.verify())).filter(({ type }) => type === 'bad' || type === 'missing')
  t.deepEqual(verdicts, [])
  t.deepEqual(picture(from.directory), before)

  // Once the files are as they were, what was missing comes, and no more than that.
  bytes[40_000]! ^= 1
  writeFileSync(flipped, bytes)
  writeFileSync(owned(from.directory, small!.hash, 'data'), mod251(16_385))
  writeFileSync(owned(from.directory, from.children[1]!, 'data'), new Uint8Array(20_000).fill(7))
  writeFileSync(from.file, EXTERNAL)
  t.like(await store.importStore(from.directory), { blobs: 4, partial: 0, tags: 0, failed: [] })
  await holdsAll(t, store, from)
})

test('a partial blob is believed in nothing: not its bitfield, its bytes, its pairs or its size', async (t) => {
  const from = await made(t)
  const { hash } = from.partial
  // Everything is claimed to be here.
  writeFileSync(owned(from.directory, hash, 'bitfield'), new Uint8Array(40).fill(1))
  const data = owned(from.directory, hash, 'data')
  const bytes = readFileSync(data)
  bytes[20_000]! ^= 1
  writeFileSync(data, bytes)
  const first = inMemory(t)
  t.like(await first.importStore(from.directory), { partial: 1, failed: [] })
  const status = await first.status(hash)
  t.deepEqual(status.state === 'partial' && status.ranges.slice(0, 2), [
    { start: 0, end: 16_384 },
    { start: 32_768, end: 65_536 },
  ])

  truncateSync(owned(from.directory, hash, 'obao4'), 0)
  const second = inMemory(t)
  const { failed, partial } = await second.importStore(from.directory)
  t.deepEqual([failed.map(({ hash }) => hash), partial], [[hash], 0])
  t.is((await second.status(hash)).state, 'absent')
})

test('a directory that is open elsewhere is locked, and one whose process died is read', async (t) => {
  const peer = await Peer.start(t)
  const directory = join(folder(t), 'iroh')
  mkdirSync(directory)
  const { store: theirs } = await peer.call<{ store: number }>('blobsOpen', { directory })
  const { hash } = await peer.call<{ hash: string }>('blobsAdd', { store: theirs, content: { pattern: 50_000 }, tag: 'kept' })
  const { hash: tiny } = await peer.call<{ hash: string }>('blobsAdd', { store: theirs, content: { pattern: 50 }, tag: 'tiny' })
  await peer.call('blobsSync', { store: theirs })
  const store = inMemory(t)
  t.is((await t.throwsAsync(store.importStore(directory), { instanceOf: GaiwanError }))?.code, 'STORE_LOCKED')
  await peer.kill()
  const before = picture(directory)
  t.deepEqual(await store.importStore(directory), { blobs: 2, bytes: 50_050, partial: 0, tags: 2, failed: [] })
  t.true(same(await store.get(hash), mod251(50_000)))
  t.true(same(await store.get(tiny), mod251(50)))
  t.deepEqual(picture(directory), before, 'it is repaired in memory')
})

test('a name that keeps something else stays, and is told', async (t) => {
  const from = await made(t)
  const store = inMemory(t)
  const { hash } = await store.add('mine', { tag: 'external' })
  const { failed, tags } = await store.importStore(from.directory)
  t.deepEqual(
    failed.map(({ hash }) => hash),
    [from.external],
  )
  t.regex(failed[0]!.message, /tag "external"/)
  t.is(tags, from.tags.length - 1)
  t.is((await store.tags.get('external'))?.hash, hash)
})

test('what ends it leaves no tags, and it can be run again', async (t) => {
  // So much that it is hardly ever over before the abort arrives; if it is, another store takes all of it once more.
  const from = await made(t, new Uint8Array(100_000_000).fill(5))
  const reason = new Error('enough')
  const cut = async () => {
    const { store } = await inFolder(t)
    const controller = new AbortController()
    const ended = store.importStore(from.directory, { signal: controller.signal, onProgress: () => controller.abort(reason) })
    const error = await ended.then(
      () => null,
      (thrown: unknown) => thrown,
    )
    return { store, error }
  }
  let last = await cut()
  while (last.error === null) last = await cut()
  const { store, error } = last
  t.is(error, reason)
  await store.idle()
  t.deepEqual(await all(store.tags.list()), [])
  const { failed, tags } = await store.importStore(from.directory)
  t.deepEqual([failed, tags], [[], from.tags.length])
  await holdsAll(t, store, from)
})

test('other directories, and a store that is full, are failures of the whole', async (t) => {
  const from = await made(t)
  const empty = folder(t)
  const store = inMemory(t)
  const code = async (importing: Promise<unknown>) => (await t.throwsAsync(importing, { instanceOf: GaiwanError }))?.code
  t.is(await code(store.importStore(empty)), 'STORE_FAILED')
  t.deepEqual(readdirSync(empty), [], 'nothing is made there')
  writeFileSync(join(empty, 'blobs.db'), 'no database')
  t.is(await code(store.importStore(empty)), 'STORE_FAILED')
  writeFileSync(join(empty, 'blobs.db'), '')
  t.is(await code(store.importStore(empty)), 'STORE_FAILED')
  t.is(statSync(join(empty, 'blobs.db')).size, 0)
  // One of ours, under their name.
  const ours = await inFolder(t)
  await ours.store.close()
  writeFileSync(join(empty, 'blobs.db'), readFileSync(join(ours.directory, 'catalog.redb')))
  t.is(await code(store.importStore(empty)), 'STORE_FAILED')
  t.is(await code(inMemory(t, { maxBytes: 1_000_000 }).importStore(from.directory)), 'STORE_FULL')
  t.is(await code(BlobStore.fixed([]).importStore(from.directory)), 'NOT_ALLOWED')
  await t.throwsAsync(store.importStore(7 as unknown as string), { instanceOf: TypeError })
  await t.throwsAsync(store.importStore(empty, { mode: 'move' as 'copy' }), { instanceOf: TypeError })
})

test('gaiwan blob import', async (t) => {
  const from = await made(t)
  const store = join(folder(t), 'store')
  const run = async (...args: string[]) => gaiwan(t, ['blob', 'import', from.directory, '--store', store, ...args])
  const first = await run('--json')
  t.is(first.status, 0, first.stderr)
  const events = jsonLines(first.stdout.toString())
  t.like(events.at(-1), { event: 'imported', blobs: WHOLE, partial: 1, tags: from.tags.length, failed: 0 })
  t.like(events.at(-2), { event: 'progress', totalBlobs: events.at(-2)!.blobs })
  const again = await run()
  t.is(again.stdout.toString(), 'Imported 0 blobs, 0 tags, 0 B.\n')
  const opened = await BlobStore.open(store)
  await holdsAll(t, opened, from)
  await opened.close()

  rmSync(owned(from.directory, from.blobs[5]!.hash, 'data'))
  const other = join(folder(t), 'store')
  const failing = await gaiwan(t, ['blob', 'import', from.directory, '--store', other, '--no-progress'])
  t.is(failing.status, 1)
  t.true(failing.stdout.toString().includes(from.blobs[5]!.hash))
  t.regex(failing.stdout.toString(), /\nImported 10 blobs, 1 partial blob, \d+ tags, /)
  t.regex(failing.stderr, /one thing did not come/)
})
