import test from 'ava'
import * as r from '../../../ts/rpc/index.js'
import { isCodec, isUnit, shapeOf } from '../../../ts/wire/postcard/codec.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

const Tea = r.struct({ name: r.str, grams: r.u32, note: r.option(r.str) })

test('an absent option of a struct is an absent key, and may be given as null', (t) => {
  for (const absent of [{}, { note: undefined }, { note: null }]) {
    const bytes = r.encode(Tea, { name: 'a', grams: 1, ...absent } as r.Input<typeof Tea>)
    t.is(hex(bytes), '01610100')
    const tea = r.decode(Tea, bytes)
    t.deepEqual(tea, { name: 'a', grams: 1 })
    t.is(Object.getPrototypeOf(tea), Object.prototype)
    t.false('note' in tea)
  }
  t.deepEqual(r.decode(Tea, r.encode(Tea, { name: 'a', grams: 1, note: '' })), { name: 'a', grams: 1, note: '' })
})

test('maybe keeps the levels that an option would lose', (t) => {
  const Deep = r.maybe(r.option(r.str))
  t.is(hex(r.encode(Deep, undefined)), '00')
  t.is(hex(r.encode(Deep, { some: undefined })), '0100')
  t.is(hex(r.encode(Deep, { some: 'a' })), '01010161')
  t.deepEqual(r.decode(Deep, unhex('0100')), { some: undefined })
  t.throws(() => r.encode(Deep, {} as never), { code: 'RPC_ENCODE' })
  t.throws(() => r.option(r.option(r.str) as never), { instanceOf: TypeError, message: /use maybe\(\)/ })
  t.throws(() => r.option(r.unit as never), { instanceOf: TypeError, message: /use maybe\(\)/ })
})

test('a seq takes any iterable but a string', (t) => {
  const codec = r.seq(r.u8)
  const generator = function* () {
    yield* [1, 2, 3]
  }
  for (const three of [[1, 2, 3], new Set([1, 2, 3]), Uint8Array.of(1, 2, 3), generator()]) t.is(hex(r.encode(codec, three)), '03010203')
  for (const wrong of ['abc', 5, null, undefined, {}]) t.throws(() => r.encode(codec, wrong as never), { code: 'RPC_ENCODE' })
})

test('a count that is known late may have several bytes', (t) => {
  for (const count of [0, 1, 127, 128, 16_383, 16_384]) {
    const items = Array.from({ length: count }, (_, n) => n)
    const late = (function* () {
      yield* items
    })()
    t.deepEqual(r.encode(r.seq(r.u32), late), r.encode(r.seq(r.u32), items))
    t.deepEqual(r.decode(r.seq(r.u32), r.encode(r.seq(r.u32), items), { exact: true }), items)
  }
})

test('an array has just as many items as it says', (t) => {
  const codec = r.array(r.u8, 2)
  t.is(hex(r.encode(codec, new Set([1, 2]))), '0102')
  t.throws(() => r.encode(codec, [1]), { message: '1 items, expected 2' })
  t.throws(() => r.encode(codec, [1, 2, 3]), { message: 'more than 2 items' })
  t.throws(() => r.encode(r.tuple(r.u8, r.u8), [1] as never), { message: '1 items, expected 2' })
  t.throws(() => r.encode(r.tuple(r.u8), new Set([1]) as never), { code: 'RPC_ENCODE' })
  for (const wrong of [-1, 0.5, 2 ** 32, Number.NaN]) {
    t.throws(() => r.array(r.u8, wrong), { instanceOf: RangeError })
    t.throws(() => r.fixedBytes(wrong), { instanceOf: RangeError })
  }
})

test('a set has each value once, in the order of insertion', (t) => {
  const codec = r.set(r.u8)
  t.is(hex(r.encode(codec, [3, 1, 3, 2])), '03030102')
  t.deepEqual(r.decode(codec, unhex('0403010302')), new Set([3, 1, 2]))
})

test('a map keeps the order of insertion, and the last of a key wins', (t) => {
  const codec = r.map(r.str, r.u8)
  t.is(
    hex(
      r.encode(
        codec,
        new Map([
          ['b', 1],
          ['a', 2],
        ]),
      ),
    ),
    '02016201016102',
  )
  t.is(hex(r.encode(codec, [['b', 1]])), '01016201')
  t.deepEqual(
    [...r.decode(codec, unhex('03016101016202016103'))],
    [
      ['a', 3],
      ['b', 2],
    ],
  )
  for (const wrong of [{ a: 1 }, [['a']], ['ab'], null, 'ab']) t.throws(() => r.encode(codec, wrong as never), { code: 'RPC_ENCODE' })
})

test('a record has no prototype, so a peer can name its keys as it likes', (t) => {
  const codec = r.record(r.u8)
  const bytes = r.encode(r.map(r.str, r.u8), [
    ['__proto__', 1],
    ['constructor', 2],
    ['toString', 3],
    ['__proto__', 4],
  ])
  const read = r.decode(codec, bytes)
  t.is(Object.getPrototypeOf(read), null)
  t.deepEqual(Object.entries(read), [
    ['__proto__', 4],
    ['constructor', 2],
    ['toString', 3],
  ])
  t.is(Object.getPrototypeOf({}), Object.prototype)
  t.deepEqual(r.decode(codec, r.encode(codec, read)), read)
  for (const wrong of [new Map([['a', 1]]), [1], 'a', null, undefined])
    t.throws(() => r.encode(codec, wrong as never), { code: 'RPC_ENCODE' })
})

test('the fields of a struct are its own, also where all objects inherit one of that name', (t) => {
  const codec = r.struct({ toString: r.option(r.str), constructor: r.option(r.u8), a: r.u8 })
  t.is(hex(r.encode(codec, { a: 1 } as never)), '000001')
  t.deepEqual(Object.entries(r.decode(codec, unhex('010161010203'))), [
    ['toString', 'a'],
    ['constructor', 2],
    ['a', 3],
  ])
  class Point {
    readonly x = 1
    get y() {
      return 2
    }
  }
  t.is(hex(r.encode(r.struct({ x: r.u8, y: r.u8 }), new Point())), '0102')
})

test('keys that JavaScript would move or swallow are refused when the codec is made', (t) => {
  for (const key of ['0', '7', '4294967295', '__proto__']) {
    const fields = Object.fromEntries([[key, r.u8]])
    t.throws(() => r.struct(fields), { instanceOf: TypeError, message: new RegExp(`^fields: '${key}'`) })
    t.throws(() => r.enumOf(fields), { instanceOf: TypeError, message: new RegExp(`^variants: '${key}'`) })
  }
  t.notThrows(() => r.struct({ '01': r.u8, '-1': r.u8, a0: r.u8 }))
})

test('an enum is a tag and a value; of names it is one of them', (t) => {
  const Shape = r.enumOf({ Point: r.unit, Circle: r.u32, Note: r.option(r.str) })
  t.is(hex(r.encode(Shape, { tag: 'Point' })), '00')
  t.deepEqual(r.decode(Shape, unhex('00')), { tag: 'Point' })
  t.deepEqual(r.decode(Shape, unhex('0105')), { tag: 'Circle', value: 5 })
  t.deepEqual(r.decode(Shape, unhex('0200')), { tag: 'Note', value: undefined })
  t.deepEqual(r.decode(Shape, unhex('818000' + '05')), { tag: 'Circle', value: 5 })
  for (const wrong of [{ tag: 'Square' }, { tag: 'toString' }, {}, 'Point', null]) {
    t.throws(() => r.encode(Shape, wrong as never), { code: 'RPC_ENCODE' })
  }
  const Color = r.enumOf(['Red', 'Green'])
  t.is(r.decode(Color, r.encode(Color, 'Green')), 'Green')
  t.throws(() => r.encode(Color, 'Blue' as never), { code: 'RPC_ENCODE', message: 'no variant has that name' })
  t.throws(() => r.decode(Color, Uint8Array.of(2)), { code: 'RPC_DECODE', message: 'no variant has the index 2' })
  t.throws(() => r.enumOf(['A', 'A']), { instanceOf: TypeError })
  t.throws(() => r.enumOf([1] as never), { instanceOf: TypeError })
  t.throws(() => r.decode(r.enumOf([]), Uint8Array.of(0)), { code: 'RPC_DECODE' })
})

test('a result has no value and no error where they are nothing', (t) => {
  const Done = r.result(r.unit, r.str)
  t.is(hex(r.encode(Done, { ok: true })), '00')
  t.deepEqual(r.decode(Done, unhex('00')), { ok: true })
  t.deepEqual(r.decode(Done, unhex('01026e6f')), { ok: false, error: 'no' })
  t.deepEqual(r.decode(r.result(r.u8, r.unit), unhex('01')), { ok: false })
  for (const wrong of [{}, { ok: 1 }, null, 'ok']) t.throws(() => r.encode(Done, wrong as never), { code: 'RPC_ENCODE' })
})

test('lazy makes recursion, asks once, and only when it must', (t) => {
  interface Tree {
    label: string
    kids: Tree[]
  }
  let asked = 0
  const Tree: r.Codec<Tree> = r.lazy(() => {
    asked++
    return r.struct({ label: r.str, kids: r.seq(Tree) })
  })
  t.is(asked, 0)
  const value = {
    label: 'root',
    kids: [
      { label: 'a', kids: [] },
      { label: 'b', kids: [{ label: 'c', kids: [] }] },
    ],
  }
  t.deepEqual(r.decode(Tree, r.encode(Tree, value), { exact: true }), value)
  t.is(Tree.minBytes, 2)
  t.is(asked, 1)
  t.throws(() => r.lazy(5 as never), { instanceOf: TypeError })
})

test('the least size of recursive codecs is found, and is never more than the truth', (t) => {
  type Expr = { tag: 'Num'; value: number } | { tag: 'Neg'; value: Expr }
  const Expr: r.Codec<Expr> = r.lazy(() => r.enumOf({ Num: r.u8, Neg: Expr }) as r.Codec<Expr>)
  t.true(Expr.minBytes >= 1 && Expr.minBytes <= 2)
  t.deepEqual(r.decode(r.seq(Expr), unhex('020005010006')), [
    { tag: 'Num', value: 5 },
    { tag: 'Neg', value: { tag: 'Num', value: 6 } },
  ])
  t.is(r.struct({ a: r.f64, b: r.array(r.tuple(r.char, r.fixedBytes(3)), 4), c: r.result(r.unit, r.u8) }).minBytes, 8 + 4 * 5 + 1)
})

test('codecs that contain each other know that they are not nothing, whichever is asked first', (t) => {
  const make = () => {
    const First: r.Codec<unknown> = r.lazy(() => r.enumOf({ A: Second, B: r.unit }) as r.Codec<unknown>)
    const Inner = r.struct({ first: First, also: r.unit }) as r.Codec<unknown>
    const Second: r.Codec<unknown> = r.lazy(() => Inner)
    return { First, Second, Inner }
  }
  for (const order of ['First', 'Second', 'Inner'] as const) {
    const made = make()
    t.is(made[order].minBytes, 1, order)
    for (const { minBytes } of Object.values(made)) t.is(minBytes, 1, order)
  }
})

test('the least size of parts that are shared many times over is found at once', (t) => {
  let codec: r.AnyCodec = r.u8
  for (let n = 0; n < 40; n++) codec = r.tuple(codec, codec)
  t.is(codec.minBytes, 2 ** 40)
  const many: r.Codec<unknown>[] = Array.from({ length: 40 }, (_, n) =>
    r.lazy(
      () => r.enumOf(Object.fromEntries(many.map((one, m) => [`v${n}_${m}`, one]).concat([['end', r.unit]] as never))) as r.Codec<unknown>,
    ),
  )
  for (const one of many) t.true(one.minBytes >= 1)
  t.throws(() => r.decode(codec, new Uint8Array(100)), { code: 'RPC_DECODE' })
})

test('brand and newtype change no byte, transform changes the form', (t) => {
  const Cup = r.brand(r.u32, 'Cup')
  t.is(Cup.name, 'Cup')
  t.is(hex(r.encode(Cup, 300 as r.Infer<typeof Cup>)), 'ac02')
  t.is(r.newtype(Tea), Tea)
  const When = r.transform(r.i64, { decode: (ms) => new Date(Number(ms)), encode: (date: Date) => BigInt(date.getTime()) })
  t.deepEqual(r.decode(When, r.encode(When, new Date(5))), new Date(5))
})

test('encode may be used inside a transform', (t) => {
  const Inner = r.struct({ a: r.str, b: r.u32 })
  const Sealed = r.transform(r.bytes, {
    decode: (wire) => r.decode(Inner, wire),
    encode: (value: r.Input<typeof Inner>) => r.encode(Inner, value),
  })
  const value = [
    { a: 'x', b: 1 },
    { a: 'y'.repeat(100), b: 2 },
  ]
  const codec = r.seq(Sealed)
  t.deepEqual(r.decode(codec, r.encode(codec, value), { exact: true }), value)
})

test('a codec is frozen and tells what it is made of', (t) => {
  for (const codec of [r.u8, r.unit, Tea, r.seq(r.u8), r.lazy(() => r.u8), r.endpointAddr] as r.AnyCodec[]) {
    t.true(Object.isFrozen(codec))
    t.true(isCodec(codec))
  }
  t.false(isCodec({ name: 'u8', minBytes: 1 }))
  t.true(isUnit(r.unit))
  t.false(isUnit(r.struct({})))
  t.deepEqual(shapeOf(r.usize), { kind: 'u64' })
  t.deepEqual(shapeOf(r.fixedBytes(4)), { kind: 'fixedBytes', length: 4 })
  t.deepEqual(shapeOf(r.brand(r.maybe(r.u8), 'B')), { kind: 'option', item: r.u8 })
  const note = r.option(r.str)
  t.deepEqual(shapeOf(r.struct({ name: r.str, note })), {
    kind: 'struct',
    fields: [
      ['name', r.str],
      ['note', note],
    ],
  })
  t.deepEqual(shapeOf(r.enumOf(['A', 'B'])), {
    kind: 'enum',
    variants: [
      ['A', r.unit],
      ['B', r.unit],
    ],
  })
  t.deepEqual(shapeOf(r.endpointAddr), { kind: 'named', name: 'EndpointAddr' })
  t.is(r.seq(r.u8).name, 'seq(u8)')
  t.is(r.map(r.str, r.option(r.u8)).name, 'map(str, option(u8))')
})

test('what is no codec is a TypeError that names the argument', (t) => {
  const no = {} as never
  t.throws(() => r.seq(no), { instanceOf: TypeError, message: 't: expected a codec' })
  t.throws(() => r.tuple(r.u8, no), { instanceOf: TypeError, message: 'items[1]: expected a codec' })
  t.throws(() => r.struct({ a: no }), { instanceOf: TypeError, message: 'fields.a: expected a codec' })
  t.throws(() => r.enumOf({ a: no }), { instanceOf: TypeError, message: 'variants.a: expected a codec' })
  t.throws(() => r.map(r.u8, no), { instanceOf: TypeError, message: 'value: expected a codec' })
  t.throws(() => r.result(no, r.u8), { instanceOf: TypeError, message: 'ok: expected a codec' })
  t.throws(() => r.encode(no, 1 as never), { instanceOf: TypeError, message: 'schema: expected a codec' })
  t.throws(() => r.decode(r.u8, 'a' as never), { instanceOf: TypeError, message: 'bytes: expected a Uint8Array' })
  t.throws(() => r.transform(r.u8, {} as never), { instanceOf: TypeError, message: 'by: expected decode and encode' })
})
