import { readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import test from 'ava'
import { BlobStore, type FileProgress, hash } from '../../ts/blobs/index.js'
import { all, folder, inFolder, inMemory, KINDS, mod251, pieces, same, until } from '../helpers/store.js'

const MIB = 1024 * 1024

for (const [kind, make] of KINDS) {
  test(`${kind}: bytes, text, iterables, streams and blobs come back as they went in`, async (t) => {
    const store = await make(t)
    const bytes = mod251(3 * MIB + 17)
    const expected = { hash: hash(bytes), size: bytes.length, format: 'raw' }
    const halves = () => pieces(bytes.subarray(0, 100), new Uint8Array(0), bytes.subarray(100, 2 * MIB), bytes.subarray(2 * MIB))
    const sources = {
      bytes,
      iterable: halves(),
      readable: Readable.from(halves()),
      web: new Blob([bytes]).stream(),
      blob: new Blob([bytes.subarray(0, 5), bytes.subarray(5)]),
    }
    for (const [name, source] of Object.entries(sources)) {
      t.deepEqual(await store.add(source as Uint8Array), expected, name)
      t.true(same(await store.get(expected.hash), bytes), name)
      await store.tags.delete({})
      await store.gc()
      t.false(await store.has(expected.hash), name)
    }
    const text = await store.add('grüner Tee')
    t.is(new TextDecoder().decode(await store.get(text.hash)), 'grüner Tee')
  })

  test(`${kind}: the same content added at once many times is there once`, async (t) => {
    const store = await make(t)
    const bytes = mod251(200_000)
    const added = await Promise.all(Array.from({ length: 8 }, (_, n) => store.add(n % 2 ? bytes : pieces(bytes), { tag: `${n}` })))
    t.is(new Set(added.map((info) => info.hash)).size, 1)
    t.is((await all(store.list())).length, 1)
    t.is((await all(store.tags.list())).length, 8)
  })

  test(`${kind}: the empty blob is there without being stored`, async (t) => {
    const store = await make(t)
    for (const source of ['', pieces(), new Blob([])]) {
      const { hash: empty, size } = await store.add(source, { tag: null })
      t.is(size, 0)
      t.is((await store.get(empty)).length, 0)
    }
    t.deepEqual(await all(store.list()), [])
  })

  test(`${kind}: a tag is made from the time, named, or left out`, async (t) => {
    const store = await make(t)
    await store.add('auto')
    await store.add('named', { tag: Uint8Array.of(0xff, 0) })
    await store.add('list of none', { tag: 'list', format: 'hashSeq' })
    await store.add('loose', { tag: null })
    const tags = await all(store.tags.list())
    t.regex(tags[0]!.nameText, /^auto-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/)
    t.deepEqual([...tags.slice(1).map((tag) => [...tag.name])], [[...Buffer.from('list')], [0xff, 0]])
    t.deepEqual(
      tags.map((tag) => tag.format),
      ['raw', 'hashSeq', 'raw'],
    )
    t.deepEqual(await store.gc(), { deleted: 1, bytes: 5 })
  })

  test(`${kind}: more than maxBytes is STORE_FULL and leaves room for what fits`, async (t) => {
    const store = await make(t, { maxBytes: 100_000 })
    await t.throwsAsync(store.add(mod251(100_001)), { code: 'STORE_FULL' })
    await t.throwsAsync(store.add(pieces(mod251(60_000), mod251(60_000))), { code: 'STORE_FULL' })
    await store.add(mod251(100_000))
    await t.throwsAsync(store.add('x'), { code: 'STORE_FULL' })
  })

  test(`${kind}: files are copied or referred to`, async (t) => {
    const store = await make(t)
    const path = join(folder(t), 'file')
    const bytes = mod251(100_000)
    writeFileSync(path, bytes)
    const info = { hash: hash(bytes), size: bytes.length, format: 'raw' as const }
    t.deepEqual(await store.addFile(path, { mode: 'reference' }), info)
    t.true(same(await store.get(info.hash), bytes))
    // S3: what was referred to must not change.
    writeFileSync(path, bytes.slice().fill(7, 50_000, 50_001))
    await t.throwsAsync(store.get(info.hash), { code: 'BLOB_CORRUPT' })
    await store.tags.delete({})
    await store.gc()
    writeFileSync(path, bytes)
    t.deepEqual(await store.addFile(path), info)
    writeFileSync(path, 'other')
    t.true(same(await store.get(info.hash), bytes))
  })
}

test('a source that fails is left, its error is the rejection, and no temporary file stays', async (t) => {
  const { store, directory } = await inFolder(t)
  const broken = new Error('no more tea')
  let left = 0
  async function* source(fail: () => unknown) {
    try {
      for (let n = 0; n < 30; n++) yield mod251(100_000)
      yield fail() as Uint8Array
    } finally {
      left++
    }
  }
  const thrown = await t.throwsAsync(
    store.add(
      source(() => {
        throw broken
      }),
    ),
  )
  t.is(thrown, broken)
  await t.throwsAsync(store.add(source(() => 'text')), { instanceOf: TypeError, message: 'data: expected its pieces to be Uint8Array' })
  t.is(left, 2)
  await until(() => readdirSync(join(directory, 'temp')).length === 0)
  t.deepEqual(await all(store.list()), [])
})

test('an abort in the middle of a stream rejects with the reason, leaves the source and cleans up', async (t) => {
  const { store, directory } = await inFolder(t)
  const abort = new AbortController()
  let left = false
  async function* source() {
    try {
      for (let n = 0; ; n++) {
        if (n === 40) {
          // The native side has an upload by now.
          t.is(readdirSync(join(directory, 'temp')).length, 1)
          abort.abort('enough')
        }
        yield mod251(100_000)
      }
    } finally {
      left = true
    }
  }
  t.is(await store.add(source(), { signal: abort.signal }).catch((reason) => reason), 'enough')
  t.true(left)
  await until(() => readdirSync(join(directory, 'temp')).length === 0)
  await store.idle()
  t.deepEqual(await all(store.list()), [])
})

test('an abort does not wait for a source that gives nothing', async (t) => {
  const store = inMemory(t)
  const abort = new AbortController()
  async function* silent(): AsyncGenerator<Uint8Array> {
    await new Promise(() => {})
  }
  const adding = store.add(silent(), { signal: abort.signal })
  setImmediate(() => abort.abort('enough'))
  t.is(await adding.catch((reason) => reason), 'enough')
  t.is(await store.add('x', { signal: AbortSignal.abort('before') }).catch((reason) => reason), 'before')
})

// Alone, so that this thread is likely to see the file before it is done. Where the disk was quicker all of it is there: never a part.
test.serial('an abort of a file import cleans its temporary file', async (t) => {
  const { store, directory } = await inFolder(t)
  const path = join(folder(t), 'large')
  writeFileSync(path, '')
  truncateSync(path, 256 * MIB)
  const abort = new AbortController()
  let isOver = false
  const adding = store.addFile(path, { signal: abort.signal }).finally(() => {
    isOver = true
  })
  await until(() => isOver || readdirSync(join(directory, 'temp')).length > 0)
  abort.abort('enough')
  const ended = await adding.then(
    ({ size }) => size,
    (reason) => reason,
  )
  t.true(ended === 'enough' || ended === 256 * MIB, String(ended))
  await store.idle()
  t.deepEqual(readdirSync(join(directory, 'temp')), [])
  t.true((await all(store.list())).every(({ size, complete }) => complete && size === 256 * MIB))
})

test('progress comes at most twenty times a second, grows, and ends with all bytes', async (t) => {
  const { store } = await inFolder(t)
  const seen: FileProgress[] = []
  const onProgress = (progress: FileProgress) => seen.push(progress)
  const began = performance.now()
  async function* source() {
    for (let n = 0; n < 200; n++) yield new Uint8Array(100_000).fill(n)
  }
  const { size } = await store.add(source(), { onProgress })
  t.true(seen.length <= 2 + (performance.now() - began) / 50, `${seen.length}`)
  t.deepEqual(seen.at(-1), { phase: 'hash', bytes: size, totalBytes: size })
  const copied = seen.filter(({ phase }) => phase === 'copy').map(({ bytes }) => bytes)
  t.deepEqual(
    copied,
    [...copied].sort((a, b) => a - b),
  )
  seen.length = 0
  await store.add(new Blob(['tea']), { onProgress })
  t.deepEqual(seen.at(-1), { phase: 'hash', bytes: 3, totalBytes: 3 })
  t.is(seen[0]!.totalBytes, 3)
})

test('what onProgress throws is the rejection', async (t) => {
  const store = inMemory(t)
  const broken = new Error('no screen')
  const onProgress = () => {
    throw broken
  }
  t.is(await t.throwsAsync(store.add('x', { onProgress })), broken)
  t.is(await t.throwsAsync(store.add(pieces('x'), { onProgress })), broken)
})

test('wrong arguments are TypeErrors that name the argument, before anything crosses', async (t) => {
  const store = inMemory(t)
  const wrong = async (call: Promise<unknown>, message: RegExp, instanceOf: ErrorConstructor = TypeError as never) => {
    await t.throwsAsync(call, { instanceOf, message })
  }
  for (const data of [5, null, undefined, {}, [1], new Uint16Array(2), new ArrayBuffer(2)]) await wrong(store.add(data as never), /^data: /)
  await wrong(store.add('x', 5 as never), /^options: /)
  await wrong(store.add('x', { tag: 5 as never }), /^tag: /)
  await wrong(store.add('x', { format: 'HashSeq' as never }), /^format: /)
  await wrong(store.add('x', { signal: 5 as never }), /^signal: /)
  await wrong(store.add('x', { onProgress: 5 as never }), /^onProgress: /)
  await wrong(store.addFile(new URL('file:///x') as never), /^path: /)
  await wrong(store.addFile('x', { mode: 'move' as never }), /^mode: /)
  t.deepEqual(await all(store.list()), [])
})

test('a file that cannot be added is STORE_FAILED', async (t) => {
  const store = inMemory(t)
  for (const path of [folder(t), '/nowhere/at/all']) await t.throwsAsync(store.addFile(path), { code: 'STORE_FAILED' })
})

test('a fixed store gives its contents and nothing changes it', async (t) => {
  const store = BlobStore.fixed(['one', mod251(50_000)])
  t.teardown(() => store.close())
  t.is(new TextDecoder().decode(await store.get(hash('one'))), 'one')
  t.true(await store.has(hash(mod251(50_000))))
  t.is((await all(store.list())).length, 2)
  const path = join(folder(t), 'file')
  writeFileSync(path, 'x')
  const changes = [
    () => store.add('x'),
    () => store.add(pieces('x')),
    () => store.addFile(path),
    () => store.addDirectory(join(path, '..')),
    () => store.createCollection([]),
    () => store.delete([hash('one')]),
    () => store.gc(),
    () => store.tags.set('a', hash('one')),
    () => store.tags.create(hash('one')),
    () => store.tags.delete({}),
    () => store.importBao(hash('x'), pieces()),
  ]
  for (const change of changes) await t.throwsAsync(change, { code: 'NOT_ALLOWED' }, String(change))
  for (const contents of ['text', new Uint8Array(1), null, 5]) {
    t.throws(() => BlobStore.fixed(contents as never), { instanceOf: TypeError, message: /^contents: / })
  }
  t.throws(() => BlobStore.fixed(['ok', 5 as never]), { instanceOf: TypeError, message: /^contents\[1\]: / })
})
