import test from 'ava'
import { GaiwanError } from '../../../ts/errors.js'
import * as r from '../../../ts/rpc/index.js'
import { decodeFrom, encodeFrame, encodeInto } from '../../../ts/wire/postcard/message.js'
import { Reader } from '../../../ts/wire/reader.js'
import { Writer } from '../../../ts/wire/writer.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const any = (codec: r.AnyCodec) => codec as r.Codec<unknown, unknown>

const Command = r.enumOf({ Get: r.struct({ key: r.str }), Set: r.struct({ value: r.seq(r.u8) }), Stop: r.unit })

const PATHS: [codec: r.AnyCodec, value: unknown, message: string][] = [
  [Command, { tag: 'Set', value: { value: [1, 2, 3, 256] } }, 'Set.value[3]: 256 is not a u8'],
  [r.struct({ value: r.seq(r.u8) }), { value: [1, -1] }, 'value[1]: -1 is not a u8'],
  [r.u8, 256, '256 is not a u8'],
  [r.struct({ a: r.struct({ b: r.str }) }), { a: {} }, 'a.b: undefined is not a str'],
  [r.tuple(r.u8, r.tuple(r.u8, r.bool)), [1, [2, 3]], '[1][1]: 3 is not a bool'],
  [r.array(r.u8, 2), [1, 'x'], '[1]: a string is not a u8'],
  [
    r.map(r.str, r.u8),
    [
      ['a', 1],
      ['b', 300],
    ],
    '[1][1]: 300 is not a u8',
  ],
  [r.map(r.u8, r.u8), [[300, 1]], '[0][0]: 300 is not a u8'],
  [r.record(r.u8), { a: 1, secret: 301 }, '[1][1]: 301 is not a u8'],
  [r.set(r.u8), [1, 999], '[1]: 999 is not a u8'],
  [r.struct({ o: r.option(r.u8) }), { o: 999 }, 'o: 999 is not a u8'],
  [r.maybe(r.u64), { some: 5 }, '5 is not a u64'],
  [r.result(r.u8, r.str), { ok: false, error: 5 }, 'error: 5 is not a str'],
  [r.result(r.u8, r.str), { ok: true, value: -5 }, 'value: -5 is not a u8'],
  [r.struct({ t: r.duration }), { t: { seconds: 1n, nanos: 1e9 } }, 't: more nanoseconds than a second has'],
  [r.struct({ t: r.duration }), { t: { seconds: -1n, nanos: 1 } }, 't.seconds: -1n is not a u64'],
  [r.seq(r.hash), ['secret'], '[0]: not a hash: expected 64 lowercase hex digits'],
]
for (const [codec, value, message] of PATHS) {
  test(`what cannot be encoded is named by its path: ${message}`, (t) => {
    t.is(t.throws(() => r.encode(any(codec), value), { instanceOf: GaiwanError, code: 'RPC_ENCODE' })?.message, message)
    t.is(t.throws(() => r.encodedLength(any(codec), value), { code: 'RPC_ENCODE' })?.message, message)
  })
}

test('what cannot be decoded is named by its path', (t) => {
  const cases: [codec: r.AnyCodec, bytes: number[], message: string][] = [
    [Command, [1, 2, 1], 'Set.value: a count is more than what is left'],
    [r.seq(r.bool), [2, 1, 2], '[1]: 2 is not a bool'],
    [r.struct({ a: r.tuple(r.u8, r.option(r.str)) }), [1, 7], 'a[1]: 7 is not the tag of an option'],
    [r.map(r.u8, r.bool), [1, 5, 9], '[0][1]: 9 is not a bool'],
    [r.record(r.bool), [1, 1, 97, 9], '[0][1]: 9 is not a bool'],
    [r.set(r.bool), [1, 9], '[0]: 9 is not a bool'],
    [r.result(r.bool, r.bool), [1, 9], 'error: 9 is not a bool'],
    [r.u32, [], 'the bytes end early'],
  ]
  for (const [codec, bytes, message] of cases) {
    t.is(t.throws(() => r.decode(codec, Uint8Array.from(bytes)), { instanceOf: GaiwanError, code: 'RPC_DECODE' })?.message, message)
  }
})

test('texts and bytes are never quoted: they could be a secret', (t) => {
  const secret = 'correct horse battery staple'
  for (const codec of [
    r.u8,
    r.u64,
    r.bool,
    r.bytes,
    r.seq(r.u8),
    r.struct({}),
    r.enumOf(['A']),
    r.ipAddr,
    r.socketAddr,
    r.endpointId,
    r.hash,
    r.endpointAddr,
  ]) {
    const error = t.throws(() => r.encode(any(codec), secret), { code: 'RPC_ENCODE' })
    t.notRegex(error!.message, /horse/, codec.name)
  }
})

test('what user code throws is the cause', (t) => {
  const cause = new Error('no tea')
  const boom = (): never => {
    throw cause
  }
  const codec = r.struct({ a: r.transform(r.u8, { decode: boom, encode: boom }) })
  const encoding = t.throws(() => r.encode(codec, { a: 1 as never }), { instanceOf: GaiwanError, code: 'RPC_ENCODE' })
  t.is(encoding?.message, 'a: no tea')
  t.is(encoding?.cause, cause)
  const decoding = t.throws(() => r.decode(codec, Uint8Array.of(1)), { instanceOf: GaiwanError, code: 'RPC_DECODE' })
  t.is(decoding?.cause, cause)
  const getter = t.throws(
    () =>
      r.encode(r.struct({ a: r.u8 }), {
        get a() {
          return boom()
        },
      }),
    { code: 'RPC_ENCODE' },
  )
  t.is((getter as Error).cause, cause)
  const source = (function* () {
    yield 1
    throw cause
  })()
  const iterating = t.throws(() => r.encode(r.seq(r.u8), source), { code: 'RPC_ENCODE' })
  t.is((iterating as Error).cause, cause)
})

test('after a failure the writer is as before, and the next value is written well', (t) => {
  const writer = new Writer()
  encodeInto(r.str, 'a', writer)
  t.throws(() => encodeInto(r.seq(r.u8), [1, 2, 256], writer, 'Set'), { code: 'RPC_ENCODE', message: 'Set[2]: 256 is not a u8' })
  t.throws(() => encodeFrame(r.struct({ a: r.u8 }), { a: 256 }, writer, { index: 3, where: 'Set' }), { message: 'Set.a: 256 is not a u8' })
  encodeInto(r.str, 'b', writer)
  t.is(hex(writer.take()), '01610162')
  t.throws(() => decodeFrom(r.struct({ a: r.bool }), new Reader(Uint8Array.of(5)), 'Get'), {
    code: 'RPC_DECODE',
    message: 'Get.a: 5 is not a bool',
  })
})

test('a frame is a length and a payload; frames follow without gaps', (t) => {
  const writer = new Writer(4)
  encodeFrame(r.struct({ key: r.str }), { key: 'hello' }, writer, { index: 0 })
  encodeFrame(r.unit, undefined, writer)
  encodeFrame(r.bytes, new Uint8Array(200).fill(7), writer, { index: 300 })
  t.is(hex(writer.take()), `07000568656c6c6f00${'cc01'}ac02c801${'07'.repeat(200)}`)
})

test('a frame over its limit is RPC_TOO_LARGE while it is written, and leaves nothing behind', (t) => {
  const writer = new Writer()
  const fits = new Uint8Array(97)
  encodeFrame(r.bytes, fits, writer, { index: 0, max: 99 })
  t.is(writer.length, 100)
  t.throws(() => encodeFrame(r.bytes, fits, writer, { index: 0, max: 98 }), { instanceOf: GaiwanError, code: 'RPC_TOO_LARGE' })
  const endless = (function* () {
    for (;;) yield 1
  })()
  t.throws(() => encodeFrame(r.seq(r.u8), endless, writer, { max: 1_000 }), { code: 'RPC_TOO_LARGE' })
  t.is(writer.length, 100)
  t.throws(() => encodeFrame(r.seq(r.unit), new Array(200), writer, { max: 1 }), { code: 'RPC_TOO_LARGE' })
  encodeFrame(r.bytes, new Uint8Array(r.MAX_MESSAGE_BYTES - 4), writer)
  t.is(writer.length, 100 + 4 + r.MAX_MESSAGE_BYTES)
  t.throws(() => encodeFrame(r.bytes, new Uint8Array(r.MAX_MESSAGE_BYTES - 3), writer), { code: 'RPC_TOO_LARGE' })
})
