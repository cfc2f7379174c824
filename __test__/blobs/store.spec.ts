import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as blobs from '../../ts/blobs/index.js'
import { BlobStore, hash } from '../../ts/blobs/index.js'
import { all, folder, inFolder, inMemory, mod251, pieces, same, until } from '../helpers/store.js'

test('everything of the room is exported', (t) => {
  t.is(Object.keys(blobs).sort().join(' '), 'ALPN BlobStore BlobTicket Blobs hash hashFile')
  t.is(blobs.ALPN, '/iroh-bytes/4')
})

test('what was added is there when the directory is opened again, at once', async (t) => {
  const { store, directory } = await inFolder(t)
  const bytes = mod251(300_000)
  const small = await store.add('small')
  const large = await store.add(bytes)
  await store.sync()
  await store.close()
  for (let n = 0; n < 3; n++) {
    const again = await BlobStore.open(directory, { durability: n === 1 ? 'relaxed' : 'sync' })
    t.is(new TextDecoder().decode(await again.get(small.hash)), 'small')
    t.true(same(await again.get(large.hash), bytes))
    await again.close()
  }
})

test('S4 one owner a directory: STORE_LOCKED until it is closed, through a link too', async (t) => {
  const { store, directory } = await inFolder(t)
  await t.throwsAsync(BlobStore.open(directory), { code: 'STORE_LOCKED' })
  const link = join(folder(t), 'link')
  symlinkSync(directory, link)
  await t.throwsAsync(BlobStore.open(link), { code: 'STORE_LOCKED' })
  await store.close()
  const again = await BlobStore.open(link)
  await again.close()
})

test('a place that cannot be a directory is STORE_FAILED', async (t) => {
  const file = join(folder(t), 'file')
  writeFileSync(file, 'x')
  for (const path of [file, join(file, 'below')]) await t.throwsAsync(BlobStore.open(path), { code: 'STORE_FAILED' })
})

test('limits say what lies in the database', async (t) => {
  const { store, directory } = await inFolder(t, { inlineDataBytes: 100, inlineOutboardBytes: 0 })
  const { hash: it } = await store.add(mod251(101))
  t.true(existsSync(join(directory, 'data', `${it}.data`)))
  const large = await store.add(mod251(20_000))
  t.true(existsSync(join(directory, 'data', `${large.hash}.outboard`)))
  t.true(same(await store.get(large.hash), mod251(20_000)))
})

test('close settles what waits, and everything after it is STORE_CLOSED', async (t) => {
  const { store, directory } = await inFolder(t)
  const { hash: it } = await store.add(mod251(3_000_000))
  const reader = await store.reader(it)
  const reading = store.read(it)[Symbol.asyncIterator]()
  await reading.next()
  const encoding = store.exportBao(it)[Symbol.asyncIterator]()
  await encoding.next()
  const batch = store.batch()
  let begun = 0
  let left = 0
  async function* silent(): AsyncGenerator<Uint8Array> {
    begun++
    try {
      yield new Uint8Array(2_000_000)
      await new Promise((resolve) => setTimeout(resolve, 5))
      yield* silent()
    } finally {
      left++
    }
  }
  const settled = Promise.allSettled([store.add(silent()), store.add(silent())])
  await until(() => begun >= 2)
  const closing = store.close()
  t.is(store.close(), closing)
  await closing
  for (const result of await settled) t.is(result.status === 'rejected' && result.reason.code, 'STORE_CLOSED')
  const calls = [
    () => store.add('x'),
    () => store.add(pieces('x')),
    () => store.addFile('x'),
    () => store.addDirectory('x'),
    () => store.get(it),
    () => all(store.read(it)),
    () => store.reader(it),
    () => store.export(it, 'x'),
    () => store.exportCollection(it, 'x'),
    () => store.has(it),
    () => store.status(it),
    () => all(store.observe(it)),
    () => all(store.list()),
    () => store.delete([it]),
    () => store.collection(it),
    () => store.createCollection([]),
    () => store.gc(),
    () => all(store.verify()),
    () => store.importBao(it, pieces()),
    () => all(store.exportBao(it)),
    () => store.sync(),
    () => store.idle(),
    () => store.tags.set('a', it),
    () => store.tags.create(it),
    () => store.tags.get('a'),
    () => all(store.tags.list()),
    () => store.tags.rename('a', 'b'),
    () => store.tags.delete('a'),
    () => store.tags.temporary(),
    () => reader.readInto(new Uint8Array(1)),
    () => reading.next(),
    () => encoding.next(),
    () => batch.add('x'),
  ]
  for (const call of calls) await t.throwsAsync(call as () => Promise<unknown>, { code: 'STORE_CLOSED' }, String(call))
  t.throws(() => batch.hold(it), { code: 'STORE_CLOSED' })
  t.throws(() => store.batch(), { code: 'STORE_CLOSED' })
  await reader.close()
  await batch.close()
  await until(() => left === begun)
  // Nothing of it holds the directory.
  const again = await BlobStore.open(directory)
  t.true(await again.has(it))
  await again.close()
})

test('await using closes; idle waits for what runs', async (t) => {
  const directory = join(folder(t), 'store')
  {
    await using store = await BlobStore.open(directory)
    const adding = store.add(mod251(3_000_000))
    await store.idle()
    t.is((await adding).size, 3_000_000)
  }
  const again = await BlobStore.open(directory)
  await again.close()
})

test('wrong options are errors that name themselves', async (t) => {
  const cases: Array<[object, string, ErrorConstructor]> = [
    [{ gcIntervalMs: 0 }, 'gcIntervalMs', RangeError as never],
    [{ gcIntervalMs: '5' }, 'gcIntervalMs', TypeError as never],
    [{ protect: [] }, 'protect', TypeError as never],
    [{ durability: 'none' }, 'durability', TypeError as never],
    [{ maxBytes: -1 }, 'maxBytes', RangeError as never],
    [{ maxBytes: 5n }, 'maxBytes', TypeError as never],
    [{ inlineDataBytes: 2 ** 40 }, 'inlineDataBytes', RangeError as never],
    [{ inlineOutboardBytes: 0.5 }, 'inlineOutboardBytes', RangeError as never],
  ]
  for (const [options, name, instanceOf] of cases) {
    await t.throwsAsync(BlobStore.open('nowhere', options), { instanceOf, message: new RegExp(`^${name}: `) })
  }
  for (const options of [null, 5]) t.throws(() => BlobStore.memory(options as never), { instanceOf: TypeError, message: /^options: / })
  await t.throwsAsync(BlobStore.open(5 as never), { instanceOf: TypeError, message: /^directory: / })
  t.throws(() => Reflect.construct(BlobStore, []), { instanceOf: TypeError, message: /^BlobStore: / })
  t.is((await inMemory(t, { gcIntervalMs: null }).status(hash('x'))).state, 'absent')
})
