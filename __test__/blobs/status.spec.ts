import test from 'ava'
import { type Bitfield, hash } from '../../ts/blobs/index.js'
import { all, inMemory, joined, KINDS, mod251, pieces } from '../helpers/store.js'

const bytes = mod251(100_000)
const it = hash(bytes)

for (const [kind, make] of KINDS) {
  test(`${kind}: a blob is absent, partial with proven ranges, or complete`, async (t) => {
    const source = inMemory(t)
    await source.add(bytes)
    const store = await make(t)
    t.deepEqual(await store.status(it), { state: 'absent' })
    t.deepEqual(await store.status(hash('')), { state: 'complete', size: 0 })
    const some = [{ end: 16_384 }, { start: 40_000, end: 50_000 }]
    await store.importBao(it, source.exportBao(it, { ranges: [some[0]!] }), { ranges: [some[0]!] })
    const partial = { state: 'partial' as const, size: 100_000, sizeVerified: false, ranges: [{ start: 0, end: 16_384 }] }
    t.deepEqual(await store.status(it), partial)
    t.false(await store.has(it))
    await t.throwsAsync(store.get(it), { code: 'BLOB_INCOMPLETE' })
    await t.throwsAsync(store.reader(it), { code: 'BLOB_INCOMPLETE' })
    t.deepEqual(await joined(store.read(it, { start: 10, end: 16_000 })), bytes.slice(10, 16_000))
    await t.throwsAsync(all(store.read(it)), { code: 'BLOB_INCOMPLETE' })
    const end = [{ start: 99_999 }]
    await store.importBao(it, source.exportBao(it, { ranges: end }), { ranges: end })
    // Only a part of the last group but one came; the last one came whole.
    t.deepEqual(await store.status(it), { ...partial, ranges: [{ start: 0, end: 16_384 }] })
    const tail = [{ start: 98_304 }]
    await store.importBao(it, source.exportBao(it, { ranges: tail }), { ranges: tail })
    const ranges = [
      { start: 0, end: 16_384 },
      { start: 98_304, end: 100_000 },
    ]
    t.deepEqual(await store.status(it), { ...partial, sizeVerified: true, ranges })
    t.deepEqual(await all(store.list()), [{ hash: it, size: 100_000, format: 'raw', complete: false }])
    await store.importBao(it, source.exportBao(it))
    t.deepEqual(await store.status(it), { state: 'complete', size: 100_000 })
  })

  test(`${kind}: the list is complete, sorted, over many pages, and can be left`, async (t) => {
    const store = await make(t)
    const added = await Promise.all(Array.from({ length: 1_100 }, (_, n) => store.add(`${n}`, { tag: null })))
    await store.tags.set('list', added[5]!.hash, 'hashSeq')
    const listed = await all(store.list())
    t.deepEqual(
      listed.map((row) => row.hash),
      added.map((info) => info.hash).sort(),
    )
    t.true(listed.every((row) => row.complete && row.size === `${added.findIndex((info) => info.hash === row.hash)}`.length))
    t.deepEqual(
      listed.filter((row) => row.format === 'hashSeq').map((row) => row.hash),
      [added[5]!.hash],
    )
    for await (const row of store.list()) {
      t.is(row.hash, listed[0]!.hash)
      break
    }
  })

  test(`${kind}: an observer sees the state at once and after each change`, async (t) => {
    const source = inMemory(t)
    await source.add(bytes)
    const store = await make(t)
    const states = store.observe(it)[Symbol.asyncIterator]()
    const next = async () => (await states.next()).value as Bitfield
    t.deepEqual(await next(), { size: 0, sizeVerified: false, isComplete: false, ranges: [] })
    const some = { ranges: [{ end: 32_768 }] }
    const first = next()
    await store.importBao(it, source.exportBao(it, some), some)
    t.deepEqual((await first).ranges, [{ start: 0, end: 32_768 }])
    const second = next()
    await store.add(bytes)
    t.deepEqual(await second, { size: 100_000, sizeVerified: true, isComplete: true, ranges: [{ start: 0, end: 100_000 }] })
    const third = next()
    await store.tags.delete({})
    await store.gc()
    t.is((await third).ranges.length, 0)
    // Left while it waits.
    const waiting = states.next()
    t.deepEqual(await states.return!(), { value: undefined, done: true })
    t.deepEqual(await waiting, { value: undefined, done: true })
    t.deepEqual(await states.next(), { value: undefined, done: true })
    await store.idle()
  })
}

test('P8 observing what is not here makes no entry', async (t) => {
  const store = inMemory(t)
  for (let n = 0; n < 50; n++) {
    for await (const state of store.observe(hash(`${n}`))) {
      t.false(state.isComplete)
      break
    }
  }
  t.deepEqual(await all(store.list()), [])
})

test('an observer that waits hears of the close', async (t) => {
  const store = inMemory(t)
  const states = store.observe(it)[Symbol.asyncIterator]()
  await states.next()
  const waiting = states.next()
  await store.close()
  await t.throwsAsync(waiting, { code: 'STORE_CLOSED' })
  t.deepEqual(await states.next(), { value: undefined, done: true })
  await t.throwsAsync(store.importBao(it, pieces()), { code: 'STORE_CLOSED' })
})
