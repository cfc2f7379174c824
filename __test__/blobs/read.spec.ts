import { openSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Writable } from 'node:stream'
import test from 'ava'
import { hash } from '../../ts/blobs/index.js'
import { all, inFolder, inMemory, joined, KINDS, mod251, same } from '../helpers/store.js'

const ABSENT = hash('nobody has this')

for (const [kind, make] of KINDS) {
  test(`${kind}: any range is read, cut to the blob, in pieces of 64 KiB to 1 MiB`, async (t) => {
    const store = await make(t)
    const bytes = mod251(5_000_000)
    const { hash: it } = await store.add(bytes)
    for (const [start, end] of [
      [0, 0],
      [0, 1],
      [1023, 1025],
      [16_383, 70_000],
      [999_999, 3_000_001],
      [4_999_999, 5_000_000],
      [4_000_000, 9_000_000],
      [6_000_000, 7_000_000],
    ] as const) {
      t.true(same(await joined(store.read(it, { start, end })), bytes.subarray(start, end)), `${start}..${end}`)
    }
    t.true(same(await joined(store.read(it, { start: 4_900_000 })), bytes.subarray(4_900_000)))
    const lengths = (await all(store.read(it))).map((piece) => piece.length)
    t.is(lengths[0], 64 * 1024)
    t.true(lengths.every((length) => length <= 1024 * 1024))
    t.is(
      lengths.reduce((a, b) => a + b),
      bytes.length,
    )
    t.true(same(await store.get(it), bytes))
  })

  test(`${kind}: a reader has a position that can be set, and is filled in order`, async (t) => {
    const store = await make(t)
    const bytes = mod251(3_000_000)
    const reader = await store.reader((await store.add(bytes)).hash)
    t.is(reader.size, bytes.length)
    const targets = [new Uint8Array(10), new Uint8Array(2_500_000), new Uint8Array(1_000_000)]
    // Not awaited in between: each goes on where the one before it ended.
    t.deepEqual(await Promise.all(targets.map((target) => reader.readInto(target))), [10, 2_500_000, 499_990])
    t.true(same(targets[1]!, bytes.subarray(10, 2_500_010)))
    t.is(reader.position, bytes.length)
    t.is(await reader.readInto(targets[0]!), 0)
    reader.position = 2_999_000
    t.true(same(await joined(reader.stream()), bytes.subarray(2_999_000)))
    reader.position = 0
    let length = 0
    const sink = new Writable({
      write(chunk: Uint8Array, _, done) {
        length += chunk.length
        done()
      },
    })
    await pipeline(reader.stream(), sink)
    t.is(length, bytes.length)
    reader.position = 10_000_000
    t.is(await reader.readInto(targets[0]!), 0)
    for (const wrong of [-1, 0.5, Number.NaN]) t.throws(() => (reader.position = wrong), { instanceOf: RangeError, message: /^position: / })
    await t.throwsAsync(reader.readInto(new Uint8Array(0)), { instanceOf: RangeError, message: /^target: / })
    await t.throwsAsync(reader.readInto('x' as never), { instanceOf: TypeError, message: /^target: / })
    await reader.close()
    await reader.close()
    await t.throwsAsync(reader.readInto(targets[0]!), { code: 'STORE_CLOSED' })
  })

  test(`${kind}: what is not here is BLOB_NOT_FOUND, what is more than asked BLOB_TOO_LARGE`, async (t) => {
    const store = await make(t)
    await t.throwsAsync(store.get(ABSENT), { code: 'BLOB_NOT_FOUND' })
    await t.throwsAsync(store.reader(ABSENT), { code: 'BLOB_NOT_FOUND' })
    await t.throwsAsync(all(store.read(ABSENT)), { code: 'BLOB_NOT_FOUND' })
    const { hash: it } = await store.add(mod251(2_000_000))
    await t.throwsAsync(store.get(it, { maxBytes: 1_999_999 }), { code: 'BLOB_TOO_LARGE' })
    t.is((await store.get(it, { maxBytes: 2_000_000 })).length, 2_000_000)
  })
}

test('leaving a read early, or an abort, ends it', async (t) => {
  const store = inMemory(t)
  const { hash: it } = await store.add(new Uint8Array(5_000_000))
  for await (const piece of store.read(it)) {
    t.true(piece.length > 0)
    break
  }
  const abort = new AbortController()
  const reason = await (async () => {
    for await (const _ of store.read(it, { signal: abort.signal })) abort.abort('enough')
    return 'the end'
  })().catch((reason) => reason)
  t.is(reason, 'enough')
  const getting = store.get(it, { signal: abort.signal })
  t.is(await getting.catch((reason) => reason), 'enough')
  await store.idle()
})

test('a flipped bit on the disk is never returned', async (t) => {
  const { store, directory } = await inFolder(t)
  const bytes = mod251(3_000_000)
  const { hash: it } = await store.add(bytes)
  const data = join(directory, 'data')
  const name = readdirSync(data).find((name) => name.endsWith('.data'))!
  writeSync(openSync(join(data, name), 'r+'), Uint8Array.of(bytes[1_500_000]! ^ 1), 0, 1, 1_500_000)
  await t.throwsAsync(store.get(it), { code: 'BLOB_CORRUPT' })
  await t.throwsAsync(all(store.read(it)), { code: 'BLOB_CORRUPT' })
  const reader = await store.reader(it)
  reader.position = 1_490_000
  await t.throwsAsync(reader.readInto(new Uint8Array(20_000)), { code: 'BLOB_CORRUPT' })
  t.true(same(await joined(store.read(it, { start: 2_000_000 })), bytes.subarray(2_000_000)))
})

test('wrong ranges are errors that name the argument', (t) => {
  const store = inMemory(t)
  const wrong = (options: unknown, instanceOf: ErrorConstructor, message: string) =>
    t.throws(() => store.read(ABSENT, options as never), { instanceOf, message })
  wrong({ start: -1 }, RangeError as never, `start: expected a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`)
  wrong({ end: 1.5 }, RangeError as never, `end: expected a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`)
  wrong({ start: '1' }, TypeError as never, `start: expected a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`)
  wrong({ start: 5, end: 4 }, RangeError as never, 'end: expected at least start')
  wrong(5, TypeError as never, 'options: expected an object')
})
