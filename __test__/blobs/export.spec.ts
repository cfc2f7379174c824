import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type BlobStore, type FileProgress, hash } from '../../ts/blobs/index.js'
import { folder, inFolder, inMemory, KINDS, mod251, pieces, same } from '../helpers/store.js'

/** A collection of these names, each with a content of its own. */
async function named(store: BlobStore, names: readonly string[]): Promise<string> {
  const entries = []
  for (const [n, name] of names.entries()) entries.push({ name, hash: (await store.add(`content ${n}`)).hash })
  return (await store.createCollection(entries)).hash
}

for (const [kind, make] of KINDS) {
  test(`${kind}: a blob becomes a file; what is there is replaced only when told`, async (t) => {
    const store = await make(t)
    const bytes = mod251(300_000)
    const { hash: it } = await store.add(bytes)
    const target = join(folder(t), 'new/folders/file')
    const seen: FileProgress[] = []
    await store.export(it, target, { onProgress: (progress) => seen.push(progress) })
    t.true(same(readFileSync(target), bytes))
    t.deepEqual(seen.at(-1), { phase: 'write', bytes: bytes.length, totalBytes: bytes.length })
    writeFileSync(target, 'mine')
    await t.throwsAsync(store.export(it, target), { code: 'TARGET_EXISTS' })
    t.is(readFileSync(target, 'utf8'), 'mine')
    await store.export(it, target, { overwrite: true, verify: false })
    t.true(same(readFileSync(target), bytes))
    t.deepEqual(readdirSync(join(target, '..')), ['file'])
    await t.throwsAsync(store.export(hash('absent'), join(target, '../other')), { code: 'BLOB_NOT_FOUND' })
  })

  test(`${kind}: by reference the data moves there, and is still served`, async (t) => {
    const store = await make(t)
    const bytes = mod251(300_000)
    const { hash: it } = await store.add(bytes)
    const target = join(folder(t), 'file')
    await store.export(it, target, { mode: 'reference' })
    t.true(same(readFileSync(target), bytes))
    t.true(same(await store.get(it), bytes))
  })
}

test('nobody reads through a link that lies where a file should go', async (t) => {
  const store = inMemory(t)
  const root = folder(t)
  const { hash: it } = await store.add('new')
  writeFileSync(join(root, 'precious'), 'precious')
  symlinkSync(join(root, 'precious'), join(root, 'link'))
  await t.throwsAsync(store.export(it, join(root, 'link')), { code: 'TARGET_EXISTS' })
  await store.export(it, join(root, 'link'), { overwrite: true })
  t.is(readFileSync(join(root, 'precious'), 'utf8'), 'precious')
  t.true(lstatSync(join(root, 'link')).isFile())
})

test('a collection becomes files, in its order, also beside others', async (t) => {
  const store = inMemory(t)
  const root = join(folder(t), 'out')
  const names = ['z/last', 'a/first', 'a/b/c', 'top', 'COM', '...x', 'ünï/cödé']
  const it = await named(store, names)
  t.deepEqual(
    await store.exportCollection(it, root),
    names.map((name) => join(root, name)),
  )
  for (const [n, name] of names.entries()) t.is(readFileSync(join(root, name), 'utf8'), `content ${n}`)
  writeFileSync(join(root, 'a/other'), 'mine')
  await t.throwsAsync(store.exportCollection(it, root), { code: 'TARGET_EXISTS' })
  writeFileSync(join(root, 'top'), 'old')
  await store.exportCollection(it, root, { overwrite: true })
  t.is(readFileSync(join(root, 'top'), 'utf8'), 'content 3')
  t.is(readFileSync(join(root, 'a/other'), 'utf8'), 'mine')
})

test('G6 hostile names are refused before anything is written', async (t) => {
  const store = inMemory(t)
  const parent = folder(t)
  const root = join(parent, 'out')
  const hostile = [
    ['..'],
    ['../evil'],
    ['a/../../evil'],
    ['/etc/evil'],
    ['//evil'],
    ['a//b'],
    ['a/'],
    ['./a'],
    [''],
    ['.'],
    ['a\\..\\evil'],
    ['C:evil'],
    ['nul\0byte'],
    ['line\nbreak'],
    ['\u001b[2Jterminal'],
    ['.\u200d./evil'],
    ['same', 'same'],
    ['Same', 'sAME'],
    ['é', 'e\u0301'],
    ['file', 'file/within'],
    ['x'.repeat(256)],
    [Array.from({ length: 200 }, () => 'd').join('/')],
  ]
  for (const names of hostile) {
    const it = await named(store, ['good', ...names])
    const error = await t.throwsAsync(store.exportCollection(it, root), { code: 'UNSAFE_NAME' }, JSON.stringify(names))
    t.false([...error!.message].some((letter) => letter < ' '))
    t.deepEqual(readdirSync(parent), [], JSON.stringify(names))
  }
})

test('G6 links and files in the way are not followed, and nothing is written', async (t) => {
  const store = inMemory(t)
  const outside = folder(t)
  const root = folder(t)
  const it = await named(store, ['first', 'way/in/file', 'last'])
  for (const prepare of [
    () => symlinkSync(outside, join(root, 'way')),
    () => {
      mkdirSync(join(root, 'way'))
      symlinkSync(outside, join(root, 'way/in'))
    },
    () => writeFileSync(join(root, 'way'), 'a file'),
    () => symlinkSync('nowhere', join(root, 'last')),
    () => mkdirSync(join(root, 'last')),
  ]) {
    prepare()
    await t.throwsAsync(store.exportCollection(it, root), { code: 'TARGET_EXISTS' }, String(prepare))
    t.false(existsSync(join(root, 'first')), String(prepare))
    t.deepEqual(readdirSync(outside), [], String(prepare))
    for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true })
  }
  // The directory itself may be a link: that is the user's choice.
  const link = join(folder(t), 'link')
  symlinkSync(root, link)
  await store.exportCollection(it, link)
  t.is(readFileSync(join(root, 'way/in/file'), 'utf8'), 'content 1')
})

test('a collection of which something is missing is not begun', async (t) => {
  const store = inMemory(t)
  const root = join(folder(t), 'out')
  const { hash: one } = await store.add('one')
  const { hash: it } = await store.createCollection([
    { name: 'one', hash: one },
    { name: 'two', hash: hash('two') },
  ])
  await t.throwsAsync(store.exportCollection(it, root), { code: 'BLOB_NOT_FOUND' })
  t.false(existsSync(root))
  await t.throwsAsync(store.exportCollection(one, root), { code: 'COLLECTION_INVALID' })
  await t.throwsAsync(store.exportCollection(hash('x'), root), { code: 'BLOB_NOT_FOUND' })
})

test('many files are written at once, with their progress', async (t) => {
  const { store } = await inFolder(t, { durability: 'relaxed' })
  const entries = []
  for (let n = 0; n < 400; n++) entries.push({ name: `${n % 20}/${n % 7}/${n}`, hash: (await store.add(`${n}`, { tag: null })).hash })
  const { hash: it } = await store.createCollection(entries)
  const root = join(folder(t), 'out')
  const seen: FileProgress[] = []
  const paths = await store.exportCollection(it, root, { onProgress: (progress) => seen.push(progress) })
  t.is(paths.length, 400)
  for (const [n, path] of paths.entries()) t.is(readFileSync(path, 'utf8'), `${n}`)
  const bytes = entries.reduce((sum, _, n) => sum + `${n}`.length, 0)
  t.deepEqual(seen.at(-1), { phase: 'write', bytes, totalBytes: bytes })
})

// Alone, so that this thread is likely to be told before the file is done. Where the disk was quicker all of it is there.
test.serial('an abort ends an export with the reason and leaves no half file', async (t) => {
  const { store } = await inFolder(t)
  async function* large() {
    for (let n = 0; n < 200; n++) yield* pieces(new Uint8Array(1_000_000).fill(n))
  }
  const { hash: it } = await store.add(large())
  const root = folder(t)
  const abort = new AbortController()
  const onProgress = () => abort.abort('enough')
  t.is(await store.export(it, join(root, 'file'), { signal: abort.signal, onProgress }).catch((reason) => reason), 'enough')
  await store.idle()
  const left = readdirSync(root).map((name) => [name, statSync(join(root, name)).size])
  t.true(left.length === 0 || String(left) === 'file,200000000', String(left))
})

test('wrong arguments are TypeErrors that name the argument', async (t) => {
  const store = inMemory(t)
  const it = hash('x')
  await t.throwsAsync(store.export(it, 5 as never), { instanceOf: TypeError, message: /^path: / })
  await t.throwsAsync(store.exportCollection(it, null as never), { instanceOf: TypeError, message: /^directory: / })
  await t.throwsAsync(store.export(it, 'x', { mode: 'x' as never }), { instanceOf: TypeError, message: /^mode: / })
  await t.throwsAsync(store.export(it, 'x', { overwrite: 1 as never }), { instanceOf: TypeError, message: /^overwrite: / })
  await t.throwsAsync(store.export(it, 'x', { verify: 'no' as never }), { instanceOf: TypeError, message: /^verify: / })
})
