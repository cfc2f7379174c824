import test from 'ava'
import { hash } from '../../ts/blobs/index.js'
import { all, inMemory, KINDS, mod251, until } from '../helpers/store.js'

for (const [kind, make] of KINDS) {
  test(`${kind}: collection removes what no tag holds, and spares the children of a tagged list`, async (t) => {
    const store = await make(t)
    const kept = await store.add(mod251(20_000), { tag: 'kept' })
    const child = await store.add('child', { tag: null })
    const list = await store.createCollection([{ name: 'a', hash: child.hash }], { tag: 'list' })
    await store.add(mod251(30_000), { tag: null })
    t.deepEqual(await store.gc(), { deleted: 1, bytes: 30_000 })
    t.true(await store.has(kept.hash))
    t.true(await store.has(child.hash))
    await store.tags.set('list', list.hash, 'raw')
    t.is((await store.gc()).deleted, 2)
    t.true(await store.has(list.hash))
    t.false(await store.has(child.hash))
  })

  test(`${kind}: a batch holds what is added in it, without tags, until it is closed`, async (t) => {
    const store = await make(t)
    const loose = await store.add('loose', { tag: null })
    const batch = store.batch()
    const { hash: it } = await batch.add('in the batch')
    batch.hold(loose.hash)
    t.deepEqual(await all(store.tags.list()), [])
    const held = await store.tags.temporary()
    t.deepEqual(held.map((content) => content.hash).sort(), [it, loose.hash].sort())
    t.is((await store.gc()).deleted, 0)
    await t.throwsAsync(store.delete([it]), { code: 'BLOB_PROTECTED' })
    const named = await batch.add('named', { tag: 'name' })
    await batch.close()
    await batch.close()
    await until(async () => (await store.tags.temporary()).length === 0)
    t.is((await store.gc()).deleted, 2)
    t.true(await store.has(named.hash))
    await t.throwsAsync(batch.add('x'), { code: 'STORE_CLOSED' })
    t.throws(() => batch.hold(it), { code: 'STORE_CLOSED' })
  })

  test(`${kind}: delete takes all or none`, async (t) => {
    const store = await make(t)
    const a = await store.add('a', { tag: null })
    const b = await store.add('b', { tag: 'b' })
    const error = await t.throwsAsync(store.delete([a.hash, b.hash]), { code: 'BLOB_PROTECTED' })
    t.true(error!.message.includes('"b"'))
    t.true(await store.has(a.hash))
    await store.delete([a.hash, hash('absent')])
    t.false(await store.has(a.hash))
    await t.throwsAsync(store.get(a.hash), { code: 'BLOB_NOT_FOUND' })
    await store.delete([])
  })
}

test('a list in a batch is held with its children', async (t) => {
  const store = inMemory(t)
  const child = await store.add('child', { tag: null })
  const list = await store.createCollection([{ name: 'x', hash: child.hash }], { tag: null })
  const batch = store.batch()
  batch.hold(list.hash, 'hashSeq')
  t.is((await store.gc()).deleted, 0)
  t.throws(() => batch.hold('nope'), { instanceOf: TypeError, message: /^hash: / })
  t.throws(() => batch.hold(list.hash, 'x' as never), { instanceOf: TypeError, message: /^format: / })
  await batch[Symbol.asyncDispose]()
  await until(async () => (await store.gc()).deleted === 3)
})

test('protect spares more; a rejection cancels the run', async (t) => {
  const broken = new Error('not now')
  let spared: string[] | null = []
  const store = inMemory(t, {
    async *protect() {
      if (spared === null) throw broken
      yield* spared
    },
  })
  const a = await store.add('a', { tag: null })
  await store.add('b', { tag: null })
  spared = null
  t.is(await t.throwsAsync(store.gc()), broken)
  t.is((await all(store.list())).length, 2)
  spared = [a.hash]
  t.is((await store.gc()).deleted, 1)
  t.true(await store.has(a.hash))
  spared = ['nope']
  await t.throwsAsync(store.gc(), { instanceOf: TypeError, message: /^protect: / })
})

test('runs never overlap', async (t) => {
  let running = 0
  let most = 0
  const store = inMemory(t, {
    async *protect() {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
    },
  })
  const abort = new AbortController()
  const last = store.gc({ signal: abort.signal })
  const runs = [store.gc(), store.gc(), store.gc()]
  abort.abort('enough')
  t.is(await last.catch((reason) => reason), 'enough')
  await Promise.all(runs)
  t.is(most, 1)
})

test('the clock collects', async (t) => {
  let runs = 0
  const store = inMemory(t, {
    gcIntervalMs: 5,
    protect: () => {
      runs++
      return []
    },
  })
  const { hash: it } = await store.add('loose', { tag: null })
  await until(async () => !(await store.has(it)))
  await store.close()
  const before = runs
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.is(runs, before)
})

test('S1 collection beside adds loses nothing that was acknowledged', async (t) => {
  for (const [, make] of KINDS) {
    const store = await make(t, { gcIntervalMs: 1 })
    const added = await Promise.all(Array.from({ length: 100 }, (_, n) => store.add(mod251(100 + 300 * n))))
    for (const { hash: it } of added) t.true(await store.has(it))
    t.is((await all(store.list())).length, 100)
  }
})
