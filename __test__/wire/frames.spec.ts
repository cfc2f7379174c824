import test from 'ava'
import * as fc from 'fast-check'
import { GaiwanError } from '../../ts/index.js'
import { encodeFrame, FrameReader } from '../../ts/wire/frames.js'
import { pattern } from '../helpers/pair.js'

const PREFIXES = ['u32be', 'u64le'] as const
const tooLarge = { instanceOf: GaiwanError, code: 'FRAME_TOO_LARGE' } as const

test('a frame is its length and its bytes', (t) => {
  t.deepEqual([...encodeFrame(Uint8Array.of(7, 8), 'u32be')], [0, 0, 0, 2, 7, 8])
  t.deepEqual([...encodeFrame(Uint8Array.of(7, 8), 'u64le')], [2, 0, 0, 0, 0, 0, 0, 0, 7, 8])
  t.deepEqual([...encodeFrame(new Uint8Array(0), 'u64le')], [0, 0, 0, 0, 0, 0, 0, 0])
})

test('frames come out as they went in, wherever the chunks were cut', (t) => {
  for (const prefix of PREFIXES) {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), fc.array(fc.nat(40), { minLength: 1 }), (bodies, cuts) => {
        const wire = Buffer.concat(bodies.map((body) => encodeFrame(body, prefix)))
        const reader = new FrameReader(prefix, 300)
        const out: Uint8Array[] = []
        for (let at = 0, n = 0; at < wire.length; n++) {
          const length = 1 + (cuts[n % cuts.length] as number)
          out.push(...reader.push(wire.subarray(at, at + length)))
          at += length
        }
        t.deepEqual(
          out.map((one) => [...one]),
          bodies.map((one) => [...one]),
        )
        t.is(reader.pendingBytes, 0)
      }),
    )
  }
})

test('a frame is memory of its own: the chunk may be used again', (t) => {
  const reader = new FrameReader('u32be', 8)
  const chunk = encodeFrame(Uint8Array.of(1, 2, 3), 'u32be')
  const [frame] = reader.push(chunk)
  chunk.fill(9)
  t.deepEqual([...frame!], [1, 2, 3])
})

test('a length above the limit is refused when it is read, before a byte of the frame has come', (t) => {
  const limit = new FrameReader('u32be', 8)
  t.is(limit.push(Uint8Array.of(0, 0, 0, 8)).length, 0)
  t.throws(() => new FrameReader('u32be', 8).push(Uint8Array.of(0, 0, 0, 9)), tooLarge)
  for (const length of [65n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n]) {
    const head = new Uint8Array(BigUint64Array.of(length).buffer)
    t.throws(() => new FrameReader('u64le', 64).push(head), tooLarge, `${length}`)
  }
})

test('memory grows with what comes, not with what is announced', (t) => {
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 64 }, () => {
    const reader = new FrameReader('u32be', 64 * 1024 * 1024)
    reader.push(Uint8Array.of(4, 0, 0, 0, 1))
    return reader
  })
  t.true(readers.every(({ pendingBytes }) => pendingBytes === 5))
  t.true(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024, '64 frames of 64 MiB were announced')
})

test('a frame of megabytes in chunks of 64 KiB', (t) => {
  const body = pattern(5_000_001)
  const wire = encodeFrame(body, 'u64le')
  const reader = new FrameReader('u64le', body.length)
  const out: Uint8Array[] = []
  for (let at = 0; at < wire.length; at += 65_536) out.push(...reader.push(wire.subarray(at, at + 65_536)))
  t.is(out.length, 1)
  t.true(Buffer.from(out[0]!).equals(body))
})

test('wrong arguments', (t) => {
  t.throws(() => encodeFrame('x' as never, 'u32be'), { instanceOf: TypeError, message: /^payload: / })
  t.throws(() => encodeFrame(new Uint8Array(1), 'u16' as never), { instanceOf: TypeError, message: /^prefix: / })
  t.throws(() => new FrameReader('u16' as never, 1), { instanceOf: TypeError, message: /^prefix: / })
  t.throws(() => new FrameReader('u32be', -1), { instanceOf: RangeError, message: /^maxFrameBytes: / })
  t.throws(() => new FrameReader('u32be', 1).push('x' as never), { instanceOf: TypeError, message: /^chunk: / })
})
