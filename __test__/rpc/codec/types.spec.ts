// What is inferred and what must not compile: `npm run typecheck` reads this file, a directive without an error is one.
// The lines are those of the contract's own check of types, and more.
import test from 'ava'
import {
  type AnyCodec,
  array,
  brand,
  type Branded,
  bytes,
  type Codec,
  type char,
  type copyBytes,
  decode,
  type duration,
  encode,
  endpointAddr,
  type endpointId,
  enumOf,
  f64,
  fixedBytes,
  i64,
  type Infer,
  type Input,
  type ipAddr,
  lazy,
  map,
  maybe,
  newtype,
  option,
  type Result,
  record,
  result,
  safeU64,
  seq,
  set,
  str,
  struct,
  transform,
  tuple,
  u8,
  u32,
  u64,
  unit,
} from '../../../ts/rpc/index.js'
import type { EndpointAddr } from '../../../ts/index.js'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_T extends true>(): void {}

const Row = struct({ id: u64, name: str, note: option(str), tags: seq(str), raw: bytes })
const Shape = enumOf({ Point: unit, Circle: u32, Rect: struct({ w: u32, h: u32 }) })
const Color = enumOf(['Red', 'Green'])
const Pair = tuple(str, u64)
const Ages = map(str, u8)
const Deep = maybe(option(str))
const Cup = brand(u32, 'Cup')
const When = transform(i64, { decode: (ms) => new Date(Number(ms)), encode: (date: Date) => BigInt(date.getTime()) })
interface Tree {
  label: string
  kids: Tree[]
}
const Tree: Codec<Tree> = lazy(() => struct({ label: str, kids: seq(Tree) }))

test('what decoding yields is inferred', (t) => {
  holds<Equal<Infer<typeof Row>, { id: bigint; name: string; tags: string[]; raw: Uint8Array<ArrayBuffer>; note?: string | undefined }>>()
  holds<Equal<Infer<typeof u8>, number>>()
  holds<Equal<Infer<typeof safeU64>, number>>()
  holds<Equal<Infer<typeof unit>, void>>()
  holds<
    Equal<Infer<typeof Shape>, { tag: 'Point' } | { tag: 'Circle'; value: number } | { tag: 'Rect'; value: { w: number; h: number } }>
  >()
  holds<Equal<Infer<typeof Color>, 'Red' | 'Green'>>()
  holds<Equal<Infer<typeof Pair>, [string, bigint]>>()
  holds<Equal<Infer<typeof Ages>, Map<string, number>>>()
  holds<Equal<Infer<typeof Deep>, { some: string | undefined } | undefined>>()
  holds<Equal<Infer<typeof When>, Date>>()
  holds<Equal<Infer<typeof Cup>, Branded<number, 'Cup'>>>()
  const sets = set(u8)
  holds<Equal<Infer<typeof sets>, Set<number>>>()
  const records = record(option(u8))
  holds<Equal<Infer<typeof records>, Record<string, number | undefined>>>()
  const arrays = array(Pair, 2)
  holds<Equal<Infer<typeof arrays>, [string, bigint][]>>()
  const four = fixedBytes(4)
  holds<Equal<Infer<typeof four>, Infer<typeof copyBytes>>>()
  holds<Equal<Infer<typeof endpointAddr>, EndpointAddr>>()
  holds<Equal<Infer<typeof endpointId> | Infer<typeof ipAddr> | Infer<typeof char>, string>>()
  holds<Equal<Infer<typeof duration>, { seconds: bigint; nanos: number }>>()
  const fields = newtype(Row)
  holds<Equal<typeof fields, typeof Row>>()
  const nested = struct({ inner: struct({ o: option(u8), p: Pair }) })
  holds<Equal<Infer<typeof nested>, { inner: { p: [string, bigint]; o?: number | undefined } }>>()
  const outcome = decode(result(u64, str), Uint8Array.of(0, 7))
  holds<Equal<typeof outcome, Result<bigint, string>>>()
  if (outcome.ok) holds<Equal<typeof outcome.value, bigint>>()
  else holds<Equal<typeof outcome.error, string>>()
  t.deepEqual(outcome, { ok: true, value: 7n })
  const shape = decode(Shape, Uint8Array.of(1, 5))
  if (shape.tag === 'Circle') holds<Equal<typeof shape.value, number>>()
  t.deepEqual(shape, { tag: 'Circle', value: 5 })
})

test('what encoding takes is wider', (t) => {
  holds<Equal<Input<typeof Pair>, readonly [string, bigint]>>()
  holds<Equal<Input<typeof bytes>, Uint8Array>>()
  holds<Equal<Input<typeof Color>, 'Red' | 'Green'>>()
  const maybes = option(str)
  holds<Equal<Input<typeof maybes>, string | null | undefined>>()
  const any: AnyCodec[] = [Row, Shape, Color, Deep, Cup, When, Tree, f64, endpointAddr]
  t.is(any.length, 9)
  t.true(encode(Row, { id: 1n, name: 'a', tags: new Set(['x']), raw: new Uint8Array(1) }).length > 0)
  t.true(encode(Row, { id: 1n, name: 'a', note: null, tags: [], raw: Buffer.from('x') }).length > 0)
  t.true(encode(result(unit, str), { ok: true }).length > 0)
  t.true(encode(Tree, { label: 'root', kids: [{ label: 'leaf', kids: [] }] }).length > 0)
  t.true(encode(Ages, [['a', 1]]).length > 0)
  t.true(encode(Cup, 3 as Infer<typeof Cup>).length > 0)
})

test('what would go wrong at run time does not compile', (t) => {
  const wrong: (() => unknown)[] = [
    // @ts-expect-error a number is no u64
    () => encode(Row, { id: 1, name: 'a', tags: [], raw: new Uint8Array() }),
    // @ts-expect-error a missing field
    () => encode(Row, { id: 1n, tags: [], raw: new Uint8Array() }),
    // @ts-expect-error a string is no seq of strings
    () => encode(seq(str), 'abc'),
    // @ts-expect-error an array of numbers is no bytes
    () => encode(bytes, [1, 2, 3]),
    // @ts-expect-error an unknown variant
    () => encode(Shape, { tag: 'Square' }),
    // @ts-expect-error a variant without its value
    () => encode(Shape, { tag: 'Circle' }),
    // @ts-expect-error an unknown name
    () => encode(Color, 'Blue'),
    // @ts-expect-error an option of an option loses a level: maybe()
    () => option(option(str)),
    // @ts-expect-error so does one of unit
    () => option(unit),
    // @ts-expect-error a tuple of one too few
    () => encode(Pair, ['a']),
    // @ts-expect-error a Map is no record
    () => encode(record(u8), new Map([['a', 1]])),
    // @ts-expect-error no codec
    () => seq({ name: 'u8', minBytes: 1 }),
    // @ts-expect-error a bigint is no safe number
    () => encode(safeU64, 1n),
    // @ts-expect-error an error without its value
    () => encode(result(u8, str), { ok: false }),
  ]
  for (const step of wrong) t.throws(step)
})

test('what only a type can know does not compile either', (t) => {
  // @ts-expect-error a field too many
  t.true(encode(Row, { id: 1n, name: 'a', tags: [], raw: new Uint8Array(), extra: 1 }).length > 0)
  // @ts-expect-error a bare number has no brand
  t.is(encode(Cup, 3).length, 1)
  // @ts-expect-error decoded values are not null
  const noNull: null = decode(option(str), Uint8Array.of(0))
  t.is(noNull, undefined as never)
  // @ts-expect-error recursion needs the right type
  const Wrong: Codec<Tree> = lazy(() => struct({ label: u32, kids: seq(Tree) }))
  t.is(Wrong.name, 'lazy')
  // @ts-expect-error frozen
  t.throws(() => (u8.name = 'u9'), { instanceOf: TypeError })
})
