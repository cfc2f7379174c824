import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { BlobStore, type FileProgress, hash } from '../../ts/blobs/index.js'
import { all, folder, inFolder, inMemory, KINDS, mod251, same } from '../helpers/store.js'

/** A tree with files large and small, and things that are none. */
function tree(root: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>([
    ['a.txt', Buffer.from('A')],
    ['b/c/deep.bin', mod251(300_000)],
    ['b/empty', new Uint8Array(0)],
    ['b.txt', Buffer.from('B')],
    ['grün/tee 🍵.md', mod251(20_000)],
  ])
  for (const [name, bytes] of files) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), bytes)
  }
  mkdirSync(join(root, 'no files/in here'), { recursive: true })
  symlinkSync('/etc/hostname', join(root, 'link'))
  symlinkSync('/etc', join(root, 'linked folder'))
  symlinkSync('nowhere', join(root, 'broken'))
  return files
}

for (const [kind, make] of KINDS) {
  test(`${kind}: a directory becomes a collection of its regular files, sorted by name`, async (t) => {
    const store = await make(t)
    const root = folder(t)
    const files = tree(root)
    for (const mode of ['copy', 'reference'] as const) {
      const info = await store.addDirectory(root, { mode })
      const names = [...files.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      const expected = names.map((name) => ({ name, hash: hash(files.get(name)!), size: files.get(name)!.length }))
      t.deepEqual(info.entries, expected)
      t.is(info.totalBytes, 320_002)
      t.deepEqual([info.format, info.size], ['hashSeq', 32 * (files.size + 1)])
      t.deepEqual(await store.collection(info.hash), expected)
    }
    // The tag of the collection keeps its files.
    t.is((await store.gc()).deleted, 0)
    const out = join(folder(t), 'new')
    const { hash: it } = await store.addDirectory(root)
    const paths = await store.exportCollection(it, out)
    t.is(paths.length, files.size)
    for (const [name, bytes] of files) t.true(same(readFileSync(join(out, name)), bytes), name)
  })
}

test('a filter sees each relative path once and decides', async (t) => {
  const store = inMemory(t)
  const root = folder(t)
  const files = tree(root)
  const seen: string[] = []
  const info = await store.addDirectory(root, {
    filter: (name) => {
      seen.push(name)
      return name.startsWith('b/')
    },
  })
  t.deepEqual(seen.sort(), [...files.keys()].sort())
  t.deepEqual(
    info.entries.map((entry) => entry.name),
    ['b/c/deep.bin', 'b/empty'],
  )
  const broken = new Error('no')
  const filter = () => {
    throw broken
  }
  t.is(await t.throwsAsync(store.addDirectory(root, { filter })), broken)
  await t.throwsAsync(store.addDirectory(root, { filter: (async () => false) as never }), { instanceOf: TypeError, message: /^filter: / })
})

test('the store leaves its own directory out', async (t) => {
  const root = folder(t)
  writeFileSync(join(root, 'file'), 'x')
  const store = await BlobStore.open(join(root, '.share'))
  t.teardown(() => store.close())
  const { entries } = await store.addDirectory(root)
  t.deepEqual(
    entries.map((entry) => entry.name),
    ['file'],
  )
})

test('an empty directory is an empty collection', async (t) => {
  const store = inMemory(t)
  const info = await store.addDirectory(folder(t))
  t.is(info.hash, 'c69e3bb6adb62a337f033d8d5d34498f7e58af9eadfbd8a835b6b0f7e861dbad')
  t.deepEqual([info.entries, info.totalBytes], [[], 0])
  t.deepEqual(await store.collection(info.hash), [])
})

test('names that could be written nowhere else are UNSAFE_NAME', async (t) => {
  const store = inMemory(t)
  for (const name of [Buffer.from('back\\slash'), Buffer.from('new\nline'), Buffer.from([0x61, 0xff]), Buffer.from('a:b')]) {
    const root = Buffer.from(folder(t))
    writeFileSync(Buffer.concat([root, Buffer.from('/'), name]), 'x')
    await t.throwsAsync(store.addDirectory(root.toString()), { code: 'UNSAFE_NAME' }, name.toString('latin1'))
  }
})

test('thousands of small files are one collection; progress names them and ends with all bytes', async (t) => {
  const { store } = await inFolder(t)
  const root = folder(t)
  for (let n = 0; n < 2_000; n++) {
    if (n % 100 === 0) mkdirSync(join(root, `${n / 100}`))
    writeFileSync(join(root, `${Math.floor(n / 100)}`, `${n}`), `file ${n % 1_500}`)
  }
  const seen: FileProgress[] = []
  const info = await store.addDirectory(root, { onProgress: (progress) => seen.push(progress), tag: 'all' })
  t.is(info.entries.length, 2_000)
  t.is((await all(store.list())).length, 1_500 + 2)
  t.true(seen.slice(0, -1).every(({ name, totalBytes }) => name !== undefined && totalBytes === info.totalBytes))
  t.deepEqual(seen.at(-1), { phase: 'hash', bytes: info.totalBytes, totalBytes: info.totalBytes })
  const tag = await store.tags.get('all')
  t.deepEqual([tag?.hash, tag?.format], [info.hash, 'hashSeq'])
  t.is((await store.gc()).deleted, 0)
})

test('an abort ends the import of a directory with the reason', async (t) => {
  const { store } = await inFolder(t)
  const root = folder(t)
  for (let n = 0; n < 500; n++) writeFileSync(join(root, `${n}`), mod251(20_000 + n))
  const abort = new AbortController()
  const filter = () => {
    abort.abort('enough')
    return true
  }
  const adding = store.addDirectory(root, { signal: abort.signal, filter })
  t.is(await adding.catch((reason) => reason), 'enough')
  await store.idle()
  t.true((await all(store.list())).length < 500)
})

test('what is no directory is STORE_FAILED, wrong options are TypeErrors', async (t) => {
  const store = inMemory(t)
  const file = join(folder(t), 'file')
  writeFileSync(file, 'x')
  for (const path of [file, `${file}.absent`]) await t.throwsAsync(store.addDirectory(path), { code: 'STORE_FAILED' })
  await t.throwsAsync(store.addDirectory(5 as never), { instanceOf: TypeError, message: /^path: / })
  await t.throwsAsync(store.addDirectory(file, { filter: 5 as never }), { instanceOf: TypeError, message: /^filter: / })
  await t.throwsAsync(store.addDirectory(file, { mode: 'move' as never }), { instanceOf: TypeError, message: /^mode: / })
})
