import { openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { hash } from '../../ts/blobs/index.js'
import { all, folder, inFolder, inMemory, KINDS, mod251 } from '../helpers/store.js'

for (const [kind, make] of KINDS) {
  test(`${kind}: what is good is ok, in the order of the list, and counted`, async (t) => {
    const store = await make(t)
    const added = await Promise.all([10, 20_000, 300_000].map((size) => store.add(mod251(size))))
    const events = await all(store.verify())
    t.deepEqual(events.pop(), { type: 'done', blobs: 3, bytes: 320_010, bad: 0 })
    const expected = added.map(({ hash, size }) => ({ type: 'ok' as const, hash, size }))
    t.deepEqual(
      events,
      expected.sort((a, b) => (a.hash < b.hash ? -1 : 1)),
    )
    const some = await all(store.verify({ hashes: [added[1]!.hash, hash('absent')] }))
    t.deepEqual(some, [
      { type: 'ok', hash: added[1]!.hash, size: 20_000 },
      { type: 'done', blobs: 1, bytes: 20_000, bad: 0 },
    ])
  })
}

test('S2 a flipped bit is found, and with repair the rest stays', async (t) => {
  const { store, directory } = await inFolder(t)
  const bytes = mod251(300_000)
  const { hash: it } = await store.add(bytes)
  const data = join(directory, 'data')
  const name = readdirSync(data).find((name) => name.endsWith('.data'))!
  writeSync(openSync(join(data, name), 'r+'), Uint8Array.of(bytes[50_000]! ^ 1), 0, 1, 50_000)
  const badRanges = [{ start: 49_152, end: 65_536 }]
  const bad = { type: 'bad' as const, hash: it, badRanges, repaired: false }
  const done = { type: 'done' as const, blobs: 1, bytes: 300_000, bad: 1 }
  t.deepEqual(await all(store.verify()), [bad, done])
  t.true(await store.has(it))
  t.deepEqual(await all(store.verify({ repair: true })), [{ ...bad, repaired: true }, done])
  const ranges = [
    { start: 0, end: 49_152 },
    { start: 65_536, end: 300_000 },
  ]
  t.deepEqual(await store.status(it), { state: 'partial', size: 300_000, sizeVerified: true, ranges })
  await store.add(bytes)
  t.deepEqual((await all(store.verify())).at(-1), { ...done, bad: 0 })
})

test('S3 a file that was referred to and is gone is missing', async (t) => {
  const store = inMemory(t)
  const path = join(folder(t), 'file')
  writeFileSync(path, mod251(100_000))
  const { hash: it } = await store.addFile(path, { mode: 'reference' })
  rmSync(path)
  const [event, done] = await all(store.verify())
  t.deepEqual(event, { type: 'missing', hash: it, path })
  t.deepEqual(done, { type: 'done', blobs: 1, bytes: 100_000, bad: 1 })
})

test('leaving early or an abort ends it; wrong options name themselves', async (t) => {
  const store = inMemory(t)
  await store.add('a')
  await store.add('b')
  for await (const event of store.verify()) {
    t.is(event.type, 'ok')
    break
  }
  const abort = new AbortController()
  const reason = await (async () => {
    for await (const _ of store.verify({ signal: abort.signal })) abort.abort('enough')
  })().catch((reason) => reason)
  t.is(reason, 'enough')
  t.throws(() => store.verify({ repair: 1 as never }), { instanceOf: TypeError, message: /^repair: / })
  t.throws(() => store.verify({ hashes: 'x' as never }), { instanceOf: TypeError, message: /^hashes: / })
  t.throws(() => store.verify({ hashes: ['x'] }), { instanceOf: TypeError, message: /^hashes\[0\]: / })
})
