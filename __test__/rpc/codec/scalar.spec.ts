import test from 'ava'
import { GaiwanError } from '../../../ts/errors.js'
import * as r from '../../../ts/rpc/index.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

const RANGES: [codec: r.Codec<number>, min: number, max: number][] = [
  [r.u8, 0, 255],
  [r.u16, 0, 65_535],
  [r.u32, 0, 4_294_967_295],
  [r.i8, -128, 127],
  [r.i16, -32_768, 32_767],
  [r.i32, -2_147_483_648, 2_147_483_647],
  [r.safeU64, 0, Number.MAX_SAFE_INTEGER],
  [r.safeI64, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
]
for (const [codec, min, max] of RANGES) {
  test(`${codec.name} goes from ${min} to ${max}, and what is outside is a RangeError with a code`, (t) => {
    for (const value of [min, max, 0, 1, max - 1, Math.floor(max / 3)]) {
      t.is(r.decode(codec, r.encode(codec, value), { exact: true }), value)
    }
    t.true(Object.is(r.decode(codec, r.encode(codec, -0)), 0))
    for (const wrong of [min - 1, max + 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const error = t.throws(() => r.encode(codec, wrong), { instanceOf: RangeError, code: 'RPC_ENCODE' })
      t.is(error?.message, `${wrong} is not a${/^[i]/.test(codec.name) ? 'n' : ''} ${codec.name}`)
      t.true(GaiwanError.is(error, 'RPC_ENCODE'))
      t.true(error instanceof GaiwanError)
    }
    for (const wrong of ['1', 1n, null, undefined, true, {}]) {
      const error = t.throws(() => r.encode(codec, wrong as never), { instanceOf: GaiwanError, code: 'RPC_ENCODE' })
      t.false((error as unknown) instanceof RangeError)
    }
  })
}

const BIG: [codec: r.Codec<bigint>, min: bigint, max: bigint][] = [
  [r.u64, 0n, 2n ** 64n - 1n],
  [r.u128, 0n, 2n ** 128n - 1n],
  [r.i64, -(2n ** 63n), 2n ** 63n - 1n],
  [r.i128, -(2n ** 127n), 2n ** 127n - 1n],
]
for (const [codec, min, max] of BIG) {
  test(`${codec.name} is a bigint; a number is refused`, (t) => {
    for (let shift = 0n; shift < 130n; shift++) {
      for (const value of [2n ** shift - 1n, 2n ** shift, -(2n ** shift), -(2n ** shift) - 1n]) {
        if (value < min || value > max) t.throws(() => r.encode(codec, value), { instanceOf: RangeError, code: 'RPC_ENCODE' })
        else t.is(r.decode(codec, r.encode(codec, value), { exact: true }), value)
      }
    }
    const error = t.throws(() => r.encode(codec, 1 as never), { instanceOf: GaiwanError, code: 'RPC_ENCODE' })
    t.is(error?.message, `1 is not a${codec === r.i64 || codec === r.i128 ? 'n' : ''} ${codec.name}`)
    t.throws(() => r.encode(codec, 10n ** 100n), { message: /^a bigint is not/ })
  })
}

test('usize and isize are the safe numbers', (t) => {
  t.is(r.usize, r.safeU64)
  t.is(r.isize, r.safeI64)
})

test('varints are the shortest that there are', (t) => {
  for (let bits = 0; bits <= 53; bits++) {
    const value = Math.min(2 ** bits, Number.MAX_SAFE_INTEGER)
    t.is(r.encode(r.safeU64, value - 1).length, Math.max(1, Math.ceil(bits / 7)), `2^${bits} - 1`)
    t.is(hex(r.encode(r.safeU64, value)), hex(r.encode(r.u64, BigInt(value))))
    t.is(hex(r.encode(r.safeI64, -value)), hex(r.encode(r.i64, -BigInt(value))))
  }
})

test('a safe number beyond 2^53 - 1 is refused when it is read', (t) => {
  for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
    t.throws(() => r.decode(r.safeU64, r.encode(r.u64, value)), { code: 'RPC_DECODE' })
  }
  for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
    t.throws(() => r.decode(r.safeI64, r.encode(r.i64, value)), { code: 'RPC_DECODE' })
  }
})

test('the last byte that a varint may have is bounded for each width', (t) => {
  const last: [codec: r.AnyCodec, bytes: number, max: number][] = [
    [r.u16, 3, 0x03],
    [r.i16, 3, 0x03],
    [r.u32, 5, 0x0f],
    [r.i32, 5, 0x0f],
    [r.u64, 10, 0x01],
    [r.i64, 10, 0x01],
    [r.u128, 19, 0x03],
    [r.i128, 19, 0x03],
  ]
  for (const [codec, bytes, max] of last) {
    const wire = new Uint8Array(bytes).fill(0x80)
    for (const [byte, good] of [
      [0, true],
      [max, true],
      [max + 1, false],
      [0x7f, false],
      [0x80, false],
    ] as const) {
      wire[bytes - 1] = byte
      if (good) t.notThrows(() => r.decode(codec, wire, { exact: true }), `${codec.name} ${byte}`)
      else t.throws(() => r.decode(codec, wire), { code: 'RPC_DECODE' }, `${codec.name} ${byte}`)
    }
  }
})

test('floats keep every value but the payload of a NaN', (t) => {
  for (const value of [0, -0, 1.5, -1e300, 5e-324, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
    t.true(Object.is(r.decode(r.f64, r.encode(r.f64, value)), value))
  }
  t.is(r.decode(r.f32, r.encode(r.f32, 0.1)), Math.fround(0.1))
  t.is(hex(r.encode(r.f64, r.decode(r.f64, unhex('010000000000f8ff')))), '000000000000f87f')
  t.is(hex(r.encode(r.f32, r.decode(r.f32, unhex('0100c0ff')))), '0000c07f')
  t.throws(() => r.encode(r.f64, '1' as never), { message: 'a string is not an f64' })
})

test('a bool is a boolean and nothing that is like one', (t) => {
  for (const wrong of [0, 1, 'true', null, undefined]) t.throws(() => r.encode(r.bool, wrong as never), { code: 'RPC_ENCODE' })
  t.throws(() => r.decode(r.bool, Uint8Array.of(2)), { code: 'RPC_DECODE', message: '2 is not a bool' })
})

test('text is UTF-8 both ways, short and long, and a BOM stays', (t) => {
  for (const piece of ['', 'a', 'é', '茶', '🍵', '\ufeffa', '\ufffd', '\ufeff\ufffd', '\0']) {
    for (const times of [1, 7, 16, 24, 25, 47, 48, 49, 127, 128, 1_000]) {
      const text = piece.repeat(times)
      const bytes = r.encode(r.str, text)
      t.is(hex(bytes), hex(r.encode(r.bytes, Buffer.from(text))))
      t.is(r.decode(r.str, bytes, { exact: true }), text)
    }
  }
})

test('ill-formed UTF-16 is refused, never replaced', (t) => {
  for (const wrong of ['\ud800', 'a\udc00', `${'x'.repeat(100)}\ud83c`, '\udf75\ud83c']) {
    t.throws(() => r.encode(r.str, wrong), { code: 'RPC_ENCODE', message: 'a lone surrogate is not text' })
  }
  t.throws(() => r.encode(r.char, '\ud800'), { code: 'RPC_ENCODE' })
})

test('bytes that are no UTF-8 are refused wherever they stand', (t) => {
  for (const wrong of ['80', 'c0af', 'e080af', 'eda080', 'f4908080', 'ff', 'c3', 'f09f8d']) {
    for (const before of [0, 1, 23, 24, 100]) {
      const body = unhex('61'.repeat(before) + wrong)
      t.throws(() => r.decode(r.str, r.encode(r.bytes, body)), { code: 'RPC_DECODE', message: 'not UTF-8' })
    }
  }
})

test('a char is one code point', (t) => {
  for (const value of ['a', 'é', '茶', '🍵', '\0']) t.is(r.decode(r.char, r.encode(r.char, value)), value)
  for (const wrong of ['', 'ab', '🍵a', 'a🍵', 5, null]) {
    t.throws(() => r.encode(r.char, wrong as never), { code: 'RPC_ENCODE', message: 'not one code point' })
  }
  for (const wrong of ['00', '056162636465']) {
    t.throws(() => r.decode(r.char, unhex(wrong)), { code: 'RPC_DECODE', message: 'a char has 1 to 4 bytes' })
  }
  for (const wrong of ['01', '0180', '03eda080', '0561626364']) {
    t.throws(() => r.decode(r.char, unhex(wrong)), { code: 'RPC_DECODE' })
  }
})

test('bytes are views of the message, copies are not', (t) => {
  const message = unhex('0201020203040909')
  const read = r.decode(r.tuple(r.bytes, r.copyBytes, r.fixedBytes(2)), message)
  t.deepEqual(read, [Uint8Array.of(1, 2), Uint8Array.of(3, 4), Uint8Array.of(9, 9)])
  message.fill(7)
  t.deepEqual(read, [Uint8Array.of(7, 7), Uint8Array.of(3, 4), Uint8Array.of(7, 7)])
  t.is(read[0].constructor, Uint8Array)
  const inPool = Buffer.from('xx0201yy', 'latin1').subarray(2, 6)
  t.deepEqual(r.decode(r.fixedBytes(4), inPool), Uint8Array.from(Buffer.from('0201')))
  for (const wrong of [[1], 'a', null, new ArrayBuffer(2)]) t.throws(() => r.encode(r.bytes, wrong as never), { code: 'RPC_ENCODE' })
  t.throws(() => r.encode(r.fixedBytes(2), Uint8Array.of(1)), { code: 'RPC_ENCODE', message: '1 bytes, expected 2' })
})

test('nothing is encoded as nothing, and something is not nothing', (t) => {
  t.is(r.encode(r.unit, undefined).length, 0)
  t.is(r.encode(r.unit, null as never).length, 0)
  t.is(r.decode(r.unit, new Uint8Array(0), { exact: true }), undefined)
  t.throws(() => r.encode(r.unit, 5 as never), { code: 'RPC_ENCODE' })
})
