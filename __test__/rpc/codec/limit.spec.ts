import test from 'ava'
import * as r from '../../../ts/rpc/index.js'

const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
/** A varint of 2^60. */
const HUGE = '808080808080808010'

interface List {
  next?: List | undefined
}
const List: r.Codec<List> = r.lazy(() => r.struct({ next: r.option(List) }))
const listOf = (depth: number): List => {
  let list: List = {}
  for (let n = 1; n < depth; n++) list = { next: list }
  return list
}

test('a length or count beyond what is left is refused, whatever holds it', (t) => {
  const codecs = {
    str: r.str,
    bytes: r.bytes,
    copyBytes: r.copyBytes,
    seq: r.seq(r.u8),
    set: r.set(r.u8),
    map: r.map(r.u8, r.u8),
    record: r.record(r.u8),
    strings: r.seq(r.str),
    char: r.char,
    units: r.seq(r.unit),
    nothing: r.map(r.unit, r.unit),
  }
  for (const [name, codec] of Object.entries<r.AnyCodec>(codecs)) {
    for (const count of [HUGE, 'ffffffffffffffffff01', '8080808010', '8080808008']) {
      t.throws(() => r.decode(codec, unhex(count)), { code: 'RPC_DECODE' }, `${name} ${count}`)
      t.throws(() => r.decode(codec, unhex(`${count}0000`)), { code: 'RPC_DECODE' }, `${name} ${count}`)
    }
  }
})

test('a count is compared with the least size of the items', (t) => {
  const Wide = r.struct({ a: r.f64, b: r.fixedBytes(8) })
  const body = new Uint8Array(1 + 16 * 4)
  body[0] = 4
  t.is(r.decode(r.seq(Wide), body).length, 4)
  body[0] = 5
  t.throws(() => r.decode(r.seq(Wide), body), { code: 'RPC_DECODE', message: 'a count is more than what is left' })
  t.throws(() => r.decode(r.array(r.u8, 5), new Uint8Array(4)), { code: 'RPC_DECODE', message: 'the bytes end early' })
  t.throws(() => r.decode(r.array(r.f64, 2 ** 32 - 1), new Uint8Array(4)), { code: 'RPC_DECODE', message: 'the bytes end early' })
})

test('items of no size are 2^16 in a whole message at most', (t) => {
  t.is(r.decode(r.seq(r.unit), unhex('808004')).length, 65_536)
  const more = { code: 'RPC_DECODE', message: 'more than 65536 items of no size' }
  t.throws(() => r.decode(r.seq(r.unit), unhex('818004')), more)
  t.throws(() => r.decode(r.seq(r.struct({})), unhex('818004')), more)
  t.throws(() => r.decode(r.array(r.unit, 65_537), new Uint8Array(0)), more)
  // Each list alone would be few enough.
  t.throws(() => r.decode(r.seq(r.seq(r.unit)), unhex('02818002818002')), { ...more, message: `[1]: ${more.message}` })
  t.throws(() => r.decode(r.seq(r.array(r.unit, 40_000)), unhex('02')), { ...more, message: `[1]: ${more.message}` })
  const list = new Array(40_000).fill(undefined)
  t.throws(() => r.encode(r.seq(r.seq(r.unit)), [list, list]), { code: 'RPC_ENCODE', message: `[1][25536]: ${more.message}` })
  t.throws(() => r.encode(r.seq(r.array(r.unit, 40_000)), [list, list]), { code: 'RPC_ENCODE', message: `[1]: ${more.message}` })
  t.is(r.encode(r.seq(r.unit), new Array(65_536).fill(undefined)).length, 3)
  t.throws(() => r.encode(r.seq(r.unit), new Array(65_537).fill(undefined)), { code: 'RPC_ENCODE' })
  t.throws(() => r.encode(r.array(r.unit, 65_537), new Array(65_537).fill(undefined)), { code: 'RPC_ENCODE' })
})

test('a source that never ends fails where its items take no bytes', (t) => {
  let ended = false
  const endless = (function* () {
    try {
      for (;;) yield undefined
    } finally {
      ended = true
    }
  })()
  t.throws(() => r.encode(r.seq(r.unit), endless), { code: 'RPC_ENCODE', message: /more than 65536 items of no size$/ })
  t.true(ended)
})

test('data nests 128 levels deep and no more, both ways', (t) => {
  const deepest = listOf(128)
  const bytes = r.encode(List, deepest)
  t.deepEqual(r.decode(List, bytes, { exact: true }), deepest)
  t.throws(() => r.encode(List, listOf(129)), { code: 'RPC_ENCODE', message: /\.next: nested more than 128 levels$/ })
  const deeper = new Uint8Array(129).fill(1)
  deeper[128] = 0
  t.throws(() => r.decode(List, deeper), { code: 'RPC_DECODE', message: /\.next: nested more than 128 levels$/ })
  t.throws(() => r.decode(List, new Uint8Array(1_000_000).fill(1)), { code: 'RPC_DECODE' })
  // After a failure the shared writer starts at the top again.
  t.notThrows(() => r.encode(List, deepest))
})

test('a value that contains itself fails and does not overflow the stack', (t) => {
  const ring: List = {}
  ring.next = ring
  t.throws(() => r.encode(List, ring), { code: 'RPC_ENCODE', message: /nested more than 128 levels$/ })
})

test('depth counts levels, not items', (t) => {
  interface Tree {
    kids: Tree[]
  }
  const Tree: r.Codec<Tree> = r.lazy(() => r.struct({ kids: r.seq(Tree) }))
  const wide = { kids: Array.from({ length: 1_000 }, () => ({ kids: [] })) }
  t.deepEqual(r.decode(Tree, r.encode(Tree, wide), { exact: true }), wide)
})

test('a codec that only contains itself fails instead of running on', (t) => {
  const Endless: r.Codec<unknown> = r.lazy(() => r.struct({ again: Endless }) as r.Codec<unknown>)
  t.is(Endless.minBytes, 0)
  t.throws(() => r.decode(Endless, new Uint8Array(10)), { code: 'RPC_DECODE', message: /nested more than 128 levels$/ })
  const Self: r.Codec<unknown> = r.lazy(() => Self)
  t.throws(() => r.decode(Self, new Uint8Array(10)), { code: 'RPC_DECODE' })
})

test('maps and sets are bounded by the heap that they take', (t) => {
  const count = 100_000
  for (const table of [r.map(r.u8, r.u8), r.set(r.u8), r.record(r.u8)] as r.AnyCodec[]) {
    const message = new Uint8Array(3 + count)
    message.set(r.encode(r.u32, count))
    t.throws(() => r.decode(r.seq(table), message), { code: 'RPC_DECODE', message: /too many maps and sets/ })
  }
  const entries = Array.from({ length: count }, (_, n) => [n, `value ${n}`] as const)
  const codec = r.map(r.u32, r.str)
  t.is(r.decode(codec, r.encode(codec, entries)).size, count)
  const some = Array.from({ length: 50_000 }, (_, n) => new Map([[n & 0xff, 1]]))
  t.is(r.decode(r.seq(r.map(r.u8, r.u8)), r.encode(r.seq(r.map(r.u8, r.u8)), some)).length, 50_000)
})

test('each way in which a message can be cut short is refused', (t) => {
  const codec = r.struct({
    id: r.u64,
    name: r.str,
    raw: r.bytes,
    list: r.seq(r.tuple(r.u16, r.bool)),
    map: r.map(r.str, r.f64),
    choice: r.enumOf({ A: r.unit, B: r.char }),
    result: r.result(r.i128, r.str),
    none: r.option(r.f32),
  })
  const bytes = r.encode(codec, {
    id: 2n ** 63n,
    name: 'thé',
    raw: Uint8Array.of(1, 2, 3),
    list: [
      [300, true],
      [5, false],
    ],
    map: [['a', 1.5]],
    choice: { tag: 'B', value: '🍵' },
    result: { ok: true, value: -(2n ** 100n) },
    none: 1,
  })
  t.notThrows(() => r.decode(codec, bytes, { exact: true }))
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => r.decode(codec, bytes.subarray(0, length)), { code: 'RPC_DECODE' }, `${length} bytes`)
  }
})

test('what lies behind the end of a view is never read', (t) => {
  const whole = unhex('0561626364656667')
  for (let length = 0; length < 6; length++) {
    t.throws(() => r.decode(r.str, whole.subarray(0, length)), { code: 'RPC_DECODE' }, `${length} bytes`)
  }
  t.is(r.decode(r.str, whole.subarray(0, 6)), 'abcde')
  t.throws(() => r.decode(r.f64, whole.subarray(0, 7)), { code: 'RPC_DECODE' })
})
