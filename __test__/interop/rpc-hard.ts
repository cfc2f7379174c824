// The service with hard types in TypeScript: the twin of `interop/src/rpc_hard.rs`.
import * as r from '../../ts/rpc/index.js'
import type { Json } from './rpc-peer.js'

export const HARD_ALPN = 'gaiwan/hard/1'

export const Shape = r.enumOf({
  Point: r.unit,
  Circle: r.u32,
  Pair: r.tuple(r.u8, r.bool),
  Rect: r.struct({ width: r.i32, height: r.i32 }),
})
export type Shape = r.Infer<typeof Shape>
const Leaf = r.struct({ name: r.str, grams: r.f64, glyph: r.char })
export const Refusal = r.enumOf({ SoldOut: r.unit, TooMuch: r.struct({ left: r.u32 }), Because: r.str })

interface Tree {
  name: string
  kids: Tree[]
}
const Tree: r.Codec<Tree> = r.lazy(() => r.struct({ name: r.str, kids: r.seq(Tree) }) as unknown as r.Codec<Tree>)

export const Hard = r.struct({
  small: r.tuple(r.u8, r.i8, r.u16, r.i16, r.bool),
  count: r.u64,
  debt: r.i64,
  huge: r.u128,
  abyss: r.i128,
  ratio: r.f32,
  text: r.str,
  bytes: r.bytes,
  counted: r.bytes, // `serde_bytes` on an array: with a count
  raw: r.fixedBytes(4),
  shapes: r.seq(Shape),
  leaf: r.option(Leaf),
  nested: r.maybe(r.option(r.u8)),
  outcome: r.result(Leaf, Refusal),
  nothing: r.result(r.unit, r.str),
  prices: r.map(r.str, r.u64),
  tree: Tree,
  wait: r.duration,
  who: r.endpointId,
  what: r.hash,
})
export type Hard = r.Infer<typeof Hard>

export const HardService = r.service({
  Echo: r.unary(Hard, Hard),
  Judge: r.unary(Shape, r.result(Leaf, Refusal)),
  Each: r.serverStream(r.seq(Hard), Hard),
  Gather: r.clientStream(r.unit, Hard, r.seq(Hard)),
  Mirror: r.bidiStream(r.option(Shape), Hard, r.option(Hard)),
  Tell: r.notify(Hard),
  Pour: r.notifyStream(Refusal, Hard),
  Wait: r.method(r.unit, { updates: r.one(Hard), answers: r.one(r.option(Hard)) }),
})

/** A value in both languages: as our codecs have it, and as serde_json has Rust's. */
export interface Twin<T> {
  readonly name: string
  readonly ours: T
  readonly rust: Json
}

/** Answers that the service gives to `Judge`, one for each kind of variant. */
export const SHAPES: readonly (Twin<Shape> & {
  readonly verdict: Twin<r.Infer<(typeof HardService)['methods']['Judge']['answers']['item']>>
})[] = [
  {
    name: 'a unit variant',
    ours: { tag: 'Point' },
    rust: 'Point',
    verdict: { name: 'a unit error', ours: { ok: false, error: { tag: 'SoldOut' } }, rust: { Err: 'SoldOut' } },
  },
  {
    name: 'a newtype variant',
    ours: { tag: 'Circle', value: 4_294_967_295 },
    rust: { Circle: 4_294_967_295 },
    verdict: {
      name: 'a struct error',
      ours: { ok: false, error: { tag: 'TooMuch', value: { left: 4_294_967_295 } } },
      rust: { Err: { TooMuch: { left: 4_294_967_295 } } },
    },
  },
  {
    name: 'a tuple variant',
    ours: { tag: 'Pair', value: [255, true] },
    rust: { Pair: [255, true] },
    verdict: {
      name: 'a newtype error',
      ours: { ok: false, error: { tag: 'Because', value: '255 true' } },
      rust: { Err: { Because: '255 true' } },
    },
  },
  {
    name: 'a struct variant',
    ours: { tag: 'Rect', value: { width: -3, height: 2 } },
    rust: { Rect: { width: -3, height: 2 } },
    verdict: {
      name: 'an answer',
      ours: { ok: true, value: { name: '-3x2', grams: -1.5, glyph: '🍵' } },
      rust: { Ok: { name: '-3x2', grams: -1.5, glyph: '🍵' } },
    },
  },
]

const ID = 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c' // of the secret key of 32 x 07, see vectors/rpc.json
const HASH = '09048afae2bd6679f844ce51fc8d99eef23f882eed9e52307ce8c9249ad040b4'

const zeros: Twin<Hard> = {
  name: 'zeros and absences',
  ours: {
    small: [0, 0, 0, 0, false],
    count: 0n,
    debt: 0n,
    huge: 0n,
    abyss: 0n,
    ratio: 0,
    text: '',
    bytes: new Uint8Array(0),
    counted: new Uint8Array(4),
    raw: new Uint8Array(4),
    shapes: [],
    outcome: { ok: false, error: { tag: 'SoldOut' } },
    nothing: { ok: true },
    prices: new Map(),
    tree: { name: '', kids: [] },
    wait: { seconds: 0n, nanos: 0 },
    who: ID,
    what: HASH,
  },
  rust: {
    small: [0, 0, 0, 0, false],
    count: '0',
    debt: '0',
    huge: '0',
    abyss: '0',
    ratio: 0,
    text: '',
    bytes: '',
    counted: '00000000',
    raw: '00000000',
    shapes: [],
    leaf: null,
    nested: null,
    outcome: { Err: 'SoldOut' },
    nothing: { Ok: null },
    prices: {},
    tree: { name: '', kids: [] },
    wait: { secs: 0, nanos: 0 },
    who: ID,
    what: HASH,
  },
}

const full: Twin<Hard> = {
  name: 'the largest of everything',
  ours: {
    small: [255, 127, 65_535, 32_767, true],
    count: 2n ** 64n - 1n,
    debt: 2n ** 63n - 1n,
    huge: 2n ** 128n - 1n,
    abyss: 2n ** 127n - 1n,
    ratio: 1.5,
    text: 'héllo 🍵',
    bytes: Uint8Array.of(0, 255, 128),
    counted: Uint8Array.of(1, 2, 3, 4),
    raw: Uint8Array.of(222, 173, 190, 239),
    shapes: SHAPES.map(({ ours }) => ours),
    leaf: { name: 'sencha', grams: 0.1, glyph: 'é' },
    nested: { some: 7 },
    outcome: { ok: true, value: { name: 'assam', grams: -1e300, glyph: 'a' } },
    nothing: { ok: false, error: 'no water' },
    prices: new Map([
      ['assam', 300n],
      ['sencha', 2n ** 53n + 1n],
    ]),
    tree: {
      name: 'root',
      kids: [
        { name: 'left', kids: [{ name: 'leaf', kids: [] }] },
        { name: 'right', kids: [] },
      ],
    },
    wait: { seconds: 90n, nanos: 999_999_999 },
    who: ID,
    what: HASH,
  },
  rust: {
    small: [255, 127, 65_535, 32_767, true],
    count: '18446744073709551615',
    debt: '9223372036854775807',
    huge: '340282366920938463463374607431768211455',
    abyss: '170141183460469231731687303715884105727',
    ratio: 1.5,
    text: 'héllo 🍵',
    bytes: '00ff80',
    counted: '01020304',
    raw: 'deadbeef',
    shapes: SHAPES.map(({ rust }) => rust),
    leaf: { name: 'sencha', grams: 0.1, glyph: 'é' },
    nested: { some: 7 },
    outcome: { Ok: { name: 'assam', grams: -1e300, glyph: 'a' } },
    nothing: { Err: 'no water' },
    prices: { assam: '300', sencha: '9007199254740993' },
    tree: {
      name: 'root',
      kids: [
        { name: 'left', kids: [{ name: 'leaf', kids: [] }] },
        { name: 'right', kids: [] },
      ],
    },
    wait: { secs: 90, nanos: 999_999_999 },
    who: ID,
    what: HASH,
  },
}

const least: Twin<Hard> = {
  name: 'the least of everything, and an option within an option',
  ours: {
    ...full.ours,
    small: [1, -128, 128, -32_768, false],
    count: 2n ** 53n,
    debt: -(2n ** 63n),
    huge: 1n,
    abyss: -(2n ** 127n),
    nested: { some: undefined },
    outcome: { ok: false, error: { tag: 'TooMuch', value: { left: 300 } } },
  },
  rust: {
    ...(full.rust as { readonly [key: string]: Json }),
    small: [1, -128, 128, -32_768, false],
    count: '9007199254740992',
    debt: '-9223372036854775808',
    huge: '1',
    abyss: '-170141183460469231731687303715884105728',
    nested: { some: null },
    outcome: { Err: { TooMuch: { left: 300 } } },
  },
}

export const HARDS: readonly Twin<Hard>[] = [zeros, full, least]

/** Handlers that do what those in `interop/src/rpc_hard.rs` do, and keep what they took. */
export function hardHandlers(took: (method: string, value: unknown) => void): r.Handlers<typeof HardService> {
  return {
    Echo: (hard) => {
      took('Echo', hard)
      return hard
    },
    Judge: (shape) => {
      took('Judge', shape)
      return SHAPES.find(({ ours }) => ours.tag === shape.tag)?.verdict.ours ?? { ok: false, error: { tag: 'SoldOut' } }
    },
    Each: (hards) => hards,
    Gather: async (_, hards) => {
      const all: Hard[] = []
      for await (const hard of hards) all.push(hard)
      return all
    },
    async *Mirror(shape, hards) {
      took('Mirror', shape)
      for await (const hard of hards) {
        yield hard
        yield undefined
      }
    },
    Tell: (hard) => took('Tell', hard),
    Pour: async (refusal, hards) => {
      took('Pour', refusal)
      for await (const hard of hards) took('Pour', hard)
    },
    Wait: (_, hard) => hard,
  }
}

/** The same with no key whose value is undefined: whether an absent option is a key or none is not part of its type. */
export function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare)
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value) || value instanceof Map) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, bare(inner)]),
  )
}
