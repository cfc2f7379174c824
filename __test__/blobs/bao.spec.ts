import { readFileSync } from 'node:fs'
import test from 'ava'
import { hash } from '../../ts/blobs/index.js'
import { all, inMemory, joined, KINDS, mod251, pieces, same } from '../helpers/store.js'

interface Bytes {
  len: number
  hex?: string
  blake3?: string
}
interface Vectors {
  hashes: Array<{ size: number; hash: string; response_all: Bytes }>
  responses: Array<{ note: string; size: number; hash: string; chunk_ranges: Array<[number | string, number | null]>; response: Bytes }>
}
const vectors = JSON.parse(readFileSync(new URL('../../vectors/blobs.json', import.meta.url), 'utf8')) as Vectors

function is(bytes: Uint8Array, { len, hex, blake3 }: Bytes): boolean {
  return bytes.length === len && (hex === undefined ? hash(bytes) === blake3 : Buffer.from(bytes).toString('hex') === hex)
}

for (const [kind, make] of KINDS) {
  test(`${kind}: whole blobs are encoded as in the vectors, and come in again`, async (t) => {
    const from = await make(t)
    const to = await make(t)
    for (const { size, hash: it, response_all } of vectors.hashes) {
      await from.add(mod251(size))
      const stream = await joined(from.exportBao(it))
      t.true(is(stream, response_all), `${size}`)
      t.deepEqual(await to.importBao(it, pieces(stream)), { hash: it, size, format: 'raw' })
      t.true(same(await to.get(it), mod251(size)), `${size}`)
      // A second time it is only checked.
      await to.importBao(Buffer.from(it, 'hex'), pieces(stream.subarray(0, 5), stream.subarray(5)))
    }
  })
}

test('ranges are encoded as in the vectors', async (t) => {
  const store = inMemory(t)
  const bytesOf = (chunk: number | string) => (typeof chunk === 'string' ? Number.MAX_SAFE_INTEGER : chunk * 1024)
  for (const { note, size, hash: it, chunk_ranges, response } of vectors.responses) {
    await store.add(mod251(size))
    const ranges = chunk_ranges.map(([start, end]) => ({ start: bytesOf(start), ...(end !== null && { end: bytesOf(end) }) }))
    t.true(is(await joined(store.exportBao(it, { ranges })), response), note)
  }
})

test('G1 G3 G4 a wrong bit, an early end and bytes after the end are told apart', async (t) => {
  const from = inMemory(t)
  const bytes = mod251(100_000)
  const { hash: it } = await from.add(bytes)
  const stream = await joined(from.exportBao(it))
  const to = inMemory(t)
  for (const at of [8, 100, 5_000, stream.length - 1]) {
    const wrong = stream.slice()
    wrong[at]! ^= 1
    await t.throwsAsync(to.importBao(it, pieces(wrong)), { code: 'HASH_MISMATCH' }, `${at}`)
  }
  // What came before the last bit was kept, and nothing else.
  t.deepEqual(await to.status(it), { state: 'partial', size: 100_000, sizeVerified: false, ranges: [{ start: 0, end: 98_304 }] })
  // A size that is one too large has the same tree, and a last leaf that never comes.
  const larger = stream.slice()
  larger[0]! ^= 1
  await t.throwsAsync(inMemory(t).importBao(it, pieces(larger)), { code: 'BLOB_INCOMPLETE' })
  for (const end of [0, 7, 8, 72, 10_000, stream.length - 1]) {
    await t.throwsAsync(to.importBao(it, pieces(stream.subarray(0, end))), { code: 'BLOB_INCOMPLETE' }, `${end}`)
  }
  await t.throwsAsync(to.importBao(it, pieces(stream, Uint8Array.of(0))), { code: 'PROTOCOL_VIOLATION' })
  t.true(same(await to.get(it), bytes))
})

test('G2 absurd sizes are refused at once', async (t) => {
  const store = inMemory(t)
  for (const [size, code] of [
    [0n, 'HASH_MISMATCH'],
    [2n ** 53n, 'BLOB_TOO_LARGE'],
    [2n ** 64n - 1n, 'BLOB_TOO_LARGE'],
  ] as const) {
    const claim = new Uint8Array(BigUint64Array.of(size).buffer)
    await t.throwsAsync(store.importBao(hash('x'), pieces(claim, new Uint8Array(64))), { code })
  }
  t.deepEqual(await all(store.list()), [])
})

test('what is not here is not encoded', async (t) => {
  const from = inMemory(t)
  const { hash: it } = await from.add(mod251(100_000))
  const to = inMemory(t)
  await t.throwsAsync(all(to.exportBao(it)), { code: 'BLOB_NOT_FOUND' })
  const ranges = [{ end: 20_000 }]
  await to.importBao(it, from.exportBao(it, { ranges }), { ranges })
  await t.throwsAsync(all(to.exportBao(it)), { code: 'BLOB_INCOMPLETE' })
  await t.throwsAsync(all(to.exportBao(it, { ranges })), { code: 'BLOB_INCOMPLETE' })
  const whole = { ranges: [{ end: 16_384 }] }
  t.true(same(await joined(to.exportBao(it, whole)), await joined(from.exportBao(it, whole))))
})

test('an abort, or leaving early, ends a stream', async (t) => {
  const store = inMemory(t)
  const { hash: it } = await store.add(mod251(5_000_000))
  for await (const piece of store.exportBao(it)) {
    t.true(piece.length > 0)
    break
  }
  const abort = new AbortController()
  let left = false
  async function* source() {
    try {
      yield new Uint8Array(8)
      abort.abort('enough')
      await new Promise(() => {})
    } finally {
      left = true
    }
  }
  t.is(await store.importBao(hash('x'), source(), { signal: abort.signal }).catch((reason) => reason), 'enough')
  t.false(left)
  await store.idle()
})

test('wrong arguments are TypeErrors and RangeErrors that name the argument', async (t) => {
  const store = inMemory(t)
  const it = hash('x')
  await t.throwsAsync(store.importBao(it, null as never), { instanceOf: TypeError, message: /^stream: / })
  await t.throwsAsync(store.importBao(it, pieces(), { ranges: 5 as never }), { instanceOf: TypeError, message: /^ranges: / })
  await t.throwsAsync(store.importBao(it, pieces(), { ranges: [{}, { end: -1 }] }), {
    instanceOf: RangeError,
    message: /^ranges\[1\]\.end: /,
  })
  t.throws(() => store.exportBao(it, { ranges: [{ start: 2, end: 1 }] }), { instanceOf: RangeError, message: /^ranges\[0\]\.end: / })
})
