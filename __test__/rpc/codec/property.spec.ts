import test from 'ava'
import fc from 'fast-check'
import { GaiwanError } from '../../../ts/errors.js'
import * as r from '../../../ts/rpc/index.js'

type Any = r.Codec<unknown, unknown>
/** A codec and what values it takes; `same` values decode to themselves. */
interface Kind {
  readonly codec: Any
  readonly values: fc.Arbitrary<unknown>
  /** May be undefined, so an option of it needs `maybe`. */
  readonly nothing?: boolean
}
const kind = (codec: r.AnyCodec, values: fc.Arbitrary<unknown>, nothing = false): Kind => ({ codec: codec as Any, values, nothing })

const int = (min: number, max: number) => fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max, 0, 1))
const big = (min: bigint, max: bigint) => fc.oneof(fc.bigInt({ min, max }), fc.bigInt({ min: 0n, max: 300n }), fc.constantFrom(min, max))
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ minLength: 40, maxLength: 60 }),
)
/** A NaN has one form in JavaScript, -0 stays what it is. */
const double = fc.double()

const SCALARS: Kind[] = [
  kind(r.bool, fc.boolean()),
  kind(r.u8, int(0, 255)),
  kind(r.u16, int(0, 65_535)),
  kind(r.u32, int(0, 2 ** 32 - 1)),
  kind(r.i8, int(-128, 127)),
  kind(r.i16, int(-32_768, 32_767)),
  kind(r.i32, int(-(2 ** 31), 2 ** 31 - 1)),
  kind(r.u64, big(0n, 2n ** 64n - 1n)),
  kind(r.i64, big(-(2n ** 63n), 2n ** 63n - 1n)),
  kind(r.u128, big(0n, 2n ** 128n - 1n)),
  kind(r.i128, big(-(2n ** 127n), 2n ** 127n - 1n)),
  kind(r.safeU64, fc.maxSafeNat()),
  kind(
    r.safeI64,
    fc.maxSafeInteger().map((value) => value + 0),
  ),
  kind(r.f32, fc.float()),
  kind(r.f64, double),
  kind(r.char, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
  kind(r.str, text),
  kind(r.bytes, fc.uint8Array({ maxLength: 200 })),
  kind(r.copyBytes, fc.uint8Array({ maxLength: 20 })),
  kind(r.fixedBytes(5), fc.uint8Array({ minLength: 5, maxLength: 5 })),
  kind(r.unit, fc.constant(undefined), true),
  kind(r.enumOf(['A', 'B', 'C']), fc.constantFrom('A', 'B', 'C')),
  kind(r.duration, fc.record({ seconds: big(0n, 2n ** 64n - 1n), nanos: int(0, 999_999_999) })),
  kind(r.systemTime, fc.record({ seconds: big(0n, 2n ** 63n - 1n), nanos: int(0, 999_999_999) })),
]
/** What a Map or Set can tell apart by itself. */
const KEYS = SCALARS.filter(({ codec }) => [r.u8, r.u32, r.i64, r.str, r.bool].includes(codec as never))

const names = fc.uniqueArray(
  fc.string({ minLength: 1, maxLength: 4 }).filter((name) => !/^(0|[1-9]\d*)$/.test(name)),
  { maxLength: 5 },
)

/** The kinds that a schema of some depth can have. */
function kinds(depth: number): fc.Arbitrary<Kind> {
  const scalar = fc.constantFrom(...SCALARS)
  if (depth === 0) return scalar
  const inner = kinds(depth - 1)
  const several = fc.array(inner, { maxLength: 4 })
  const items = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 6 })
  const zip = fc
    .tuple(names, fc.array(inner, { minLength: 5, maxLength: 5 }))
    .map(([keys, parts]) => keys.map((key, n) => [key, parts[n]!] as const))
  return fc.oneof(
    scalar,
    inner.map((of) =>
      of.nothing === true
        ? kind(
            r.maybe(of.codec),
            fc.option(
              of.values.map((some) => ({ some })),
              { nil: undefined },
            ),
            true,
          )
        : kind(r.option<Any>(of.codec as never), fc.option(of.values, { nil: undefined }), true),
    ),
    inner.map((of) => kind(r.seq(of.codec), items(of.values))),
    inner.map((of) => kind(r.array(of.codec, 3), fc.array(of.values, { minLength: 3, maxLength: 3 }))),
    several.map((parts) => kind(r.tuple(...parts.map(({ codec }) => codec)), fc.tuple(...parts.map(({ values }) => values)))),
    fc.constantFrom(...KEYS).map((of) =>
      kind(
        r.set(of.codec),
        items(of.values).map((list) => new Set(list)),
      ),
    ),
    fc.tuple(fc.constantFrom(...KEYS), inner).map(([key, of]) =>
      kind(
        r.map(key.codec, of.codec),
        items(fc.tuple(key.values, of.values)).map((list) => new Map(list)),
      ),
    ),
    inner.map((of) =>
      kind(
        r.record(of.codec),
        items(fc.tuple(text, of.values)).map((list) =>
          list.reduce<Record<string, unknown>>((all, [key, value]) => Object.assign(all, { [key]: value }), Object.create(null)),
        ),
      ),
    ),
    zip.map((parts) => {
      const optional = new Set(parts.filter(([, { codec }]) => 'option' in codec).map(([key]) => key))
      const values = fc
        .tuple(...parts.map(([, part]) => part.values))
        .map((list) =>
          Object.fromEntries(
            parts.map(([key], n) => [key, list[n]] as const).filter(([key, value]) => value !== undefined || !optional.has(key)),
          ),
        )
      return kind(r.struct(Object.fromEntries(parts.map(([key, { codec }]) => [key, codec]))), values)
    }),
    zip
      .filter((parts) => parts.length > 0)
      .map((parts) => {
        const variants = parts.map(([tag, { codec, values }]) => values.map((value) => ('unit' in codec ? { tag } : { tag, value })))
        return kind(r.enumOf(Object.fromEntries(parts.map(([key, { codec }]) => [key, codec]))), fc.oneof(...variants))
      }),
    fc.tuple(inner, inner).map(([ok, err]) =>
      kind(
        r.result(ok.codec, err.codec),
        fc.oneof(
          ok.values.map((value) => ('unit' in ok.codec ? { ok: true } : { ok: true, value })),
          err.values.map((error) => ('unit' in err.codec ? { ok: false } : { ok: false, error })),
        ),
      ),
    ),
    inner.map((of) => ({ ...of, codec: r.lazy(() => of.codec) as Any })),
    inner.map((of) => ({
      ...of,
      codec: r.transform(of.codec, { decode: (wire) => [wire], encode: ([wire]: unknown[]) => wire }) as Any,
      values: of.values.map((one) => [one]),
      nothing: false,
    })),
  )
}

const schemaAndValue = kinds(3).chain(({ codec, values }) => fc.tuple(fc.constant(codec), values))

test('whatever a random schema encodes it decodes to the same', (t) => {
  fc.assert(
    fc.property(schemaAndValue, ([codec, value]) => {
      const bytes = r.encode(codec, value)
      const again = r.decode(codec, bytes, { exact: true })
      t.deepEqual(again, value, codec.name)
      t.deepEqual(r.encode(codec, again), bytes)
      t.is(r.encodedLength(codec, value), bytes.length)
      t.true(codec.minBytes <= bytes.length)
      const followed = new Uint8Array(bytes.length + 3)
      followed.set(bytes)
      t.deepEqual(r.decode(codec, followed), value)
    }),
    { seed: 20_261_129, numRuns: 4_000 },
  )
})

test('a message that is cut short is never taken for a whole one', (t) => {
  fc.assert(
    fc.property(schemaAndValue, fc.nat(), ([codec, value], at) => {
      const bytes = r.encode(codec, value)
      if (bytes.length === 0) return
      const error = t.throws(() => r.decode(codec, bytes.subarray(0, at % bytes.length)), { instanceOf: GaiwanError })
      t.is(error?.code, 'RPC_DECODE')
    }),
    { seed: 20_261_130, numRuns: 2_000 },
  )
})

test('random bytes are decoded or refused with RPC_DECODE, and what is decoded is a value of the schema', (t) => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // Small numbers are tags, counts and lengths, so these come deep into a schema.
    fc
      .array(fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(0x80, 0xff, 0x7f)), { maxLength: 300 })
      .map((list) => Uint8Array.from(list)),
  )
  let taken = 0
  fc.assert(
    fc.property(kinds(3), noise, ({ codec }, bytes) => {
      let value: unknown
      try {
        value = r.decode(codec, bytes)
      } catch (error) {
        t.true(GaiwanError.is(error, 'RPC_DECODE'), String(error))
        return
      }
      taken++
      const canonical = r.encode(codec, value)
      t.deepEqual(r.encode(codec, r.decode(codec, canonical, { exact: true })), canonical)
    }),
    { seed: 20_261_131, numRuns: 10_000 },
  )
  t.true(taken > 1_000, `${taken}`)
})

test('bytes changed on the way are decoded or refused with RPC_DECODE', (t) => {
  fc.assert(
    fc.property(
      schemaAndValue,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
      ([codec, value], changes) => {
        const bytes = r.encode(codec, value)
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte
        try {
          t.is(typeof r.encodedLength(codec, r.decode(codec, bytes)), 'number')
        } catch (error) {
          t.true(GaiwanError.is(error, 'RPC_DECODE'), String(error))
        }
      },
    ),
    { seed: 20_261_132, numRuns: 4_000 },
  )
})

test('values of the wrong kind are refused with RPC_ENCODE and nothing else', (t) => {
  fc.assert(
    fc.property(
      kinds(3),
      fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true, withNullPrototype: true }),
      ({ codec }, value) => {
        try {
          t.true(r.encode(codec, value).length >= codec.minBytes)
        } catch (error) {
          t.true(GaiwanError.is(error, 'RPC_ENCODE'), String(error))
        }
      },
    ),
    { seed: 20_261_133, numRuns: 6_000 },
  )
})
