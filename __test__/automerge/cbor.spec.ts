import { cbor } from '@automerge/automerge-repo'
import test from 'ava'
import * as fc from 'fast-check'
import { type Cbor, decodeCbor, encodeCborFrame } from '../../ts/automerge/cbor.js'
import { GaiwanError } from '../../ts/index.js'

const own = (bytes: Uint8Array) => Uint8Array.from(bytes)
const encode = (value: Cbor) => own(encodeCborFrame(value).subarray(4))
const hex = (text: string) => own(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const violation = { instanceOf: GaiwanError, code: 'PROTOCOL_VIOLATION' } as const

test('the examples of RFC 8949, appendix A, that are allowed here', (t) => {
  const examples: [Cbor, string][] = [
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [1000, '1903e8'],
    [1000000, '1a000f4240'],
    [1000000000000, '1b000000e8d4a51000'],
    [18446744073709551615n, '1bffffffffffffffff'],
    [-1, '20'],
    [-1000, '3903e7'],
    [-18446744073709551616n, '3bffffffffffffffff'],
    [1.1, 'fb3ff199999999999a'],
    [1.0e300, 'fb7e37e43c8800759c'],
    [false, 'f4'],
    [true, 'f5'],
    [null, 'f6'],
    [hex('01020304'), '4401020304'],
    ['IETF', '6449455446'],
    ['\u00fc', '62c3bc'],
    ['\u6c34', '63e6b0b4'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
    [{ a: 1, b: [2, 3] }, 'a26161016162820203'],
  ]
  for (const [value, bytes] of examples) {
    t.is(Buffer.from(encode(value)).toString('hex'), bytes)
    t.deepEqual(decodeCbor(hex(bytes)), value)
  }
  t.is(decodeCbor(hex('f93c00')), 1)
  t.is(decodeCbor(hex('f90001')), 5.960464477539063e-8)
  t.is(decodeCbor(hex('f9c400')), -4)
  t.is(decodeCbor(hex('f97c00')), Number.POSITIVE_INFINITY)
  t.is(decodeCbor(hex('fa47c35000')), 100_000)
  t.is(decodeCbor(hex('f7')), undefined)
  t.is(decodeCbor(hex('c11a514b67b0')), 1_363_896_240, 'a tag is read over')
})

test('cbor-x reads what we write and we read what it writes', (t) => {
  const text = fc.string({ unit: 'grapheme', maxLength: 300 })
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', maxDepth: 4 },
      text,
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie('value'), { maxLength: 6 }),
      fc.dictionary(
        text.filter((key) => key !== '__proto__'),
        tie('value'),
        { maxKeys: 6, noNullPrototype: true },
      ),
    ),
  })).value as fc.Arbitrary<Cbor>
  const plain = (one: unknown): unknown =>
    one instanceof Uint8Array
      ? [...one]
      : Array.isArray(one)
        ? one.map(plain)
        : typeof one === 'object' && one !== null
          ? Object.fromEntries(Object.entries(one).map(([key, item]) => [key, plain(item)]))
          : typeof one === 'bigint'
            ? Number(one)
            : one === 0
              ? 0
              : one
  fc.assert(
    fc.property(value, (one) => {
      t.deepEqual(plain(cbor.decode(encode(one))), plain(one))
      t.deepEqual(plain(decodeCbor(own(cbor.encode(one)))), plain(one))
      t.deepEqual(plain(decodeCbor(encode(one))), plain(one))
    }),
    { numRuns: 300 },
  )
})

test('keys without a value are left out, at any depth, and whole numbers are never floats', (t) => {
  t.deepEqual(decodeCbor(encode({ a: undefined, b: null, c: { d: undefined, e: 1 } })), { c: { e: 1 } })
  for (const count of [2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const bytes = encode(count)
    t.is((bytes[0] as number) >>> 5, 0, `${count} is an unsigned integer`)
    t.is(decodeCbor(bytes), count)
  }
})

test('a frame has its length in front', (t) => {
  t.is(Buffer.from(encodeCborFrame({ a: 1 })).toString('hex'), '00000004a1616101')
})

test('what is malformed or too much is refused', (t) => {
  const deep = (depth: number) => hex('81'.repeat(depth) + '00')
  t.notThrows(() => decodeCbor(deep(8)))
  const cases: [string, Uint8Array<ArrayBuffer>][] = [
    ['nothing', hex('')],
    ['depth', deep(9)],
    ['depth without end', hex('81'.repeat(100_000))],
    ['tags without end', hex('c1'.repeat(100_000))],
    ['an array of indefinite length', hex('9f0102ff')],
    ['a map of indefinite length', hex('bf616101ff')],
    ['text of indefinite length', hex('7f6161ff')],
    ['bytes of indefinite length', hex('5f4101ff')],
    ['a key that is no text', hex('a10102')],
    ['a key that would be the prototype', hex('a1 69 5f5f70726f746f5f5f a1 6161 01')],
    ['65 keys', encode(Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, n])))],
    ['65,537 items', encode(Array.from({ length: 65_537 }, () => 0))],
    ['an array longer than the frame', hex('9affffffff')],
    ['bytes longer than the frame', hex('5bffffffffffffffff00')],
    ['text that is cut', hex('6461')],
    ['text that is no UTF-8', hex('62c328')],
    ['a reserved head', hex('1c')],
    ['a simple value', hex('f8ff')],
    ['bytes behind the value', hex('0000')],
  ]
  for (const [name, bytes] of cases) t.throws(() => decodeCbor(bytes), violation, name)
})

test('random bytes are refused or read, never worse', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        decodeCbor(own(bytes))
        return true
      } catch (error) {
        return GaiwanError.is(error, 'PROTOCOL_VIOLATION')
      }
    }),
    { numRuns: 3_000 },
  )
  t.is(decodeCbor(hex('00')), 0)
})
