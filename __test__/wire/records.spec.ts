import test from 'ava'
import { allocate, copy, hex, readU64, text, u64, utf8Into } from '../../ts/wire/bytes.js'
import { Block, REQUEST, recordBytes, unpackDatagrams, WRITE } from '../../ts/wire/records.js'

const words = (bytes: Uint8Array, count: number) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return Array.from({ length: count }, (_, n) => view.getUint32(4 * n, true))
}

test('a record is five words and a body padded to four', (t) => {
  const block = new Block(256)
  block.append(REQUEST, 0xfffffffe, 7, 16, Uint8Array.of(1, 2, 3, 4, 5))
  t.is(block.used, 28)
  t.deepEqual(words(block.bytes, 5), [REQUEST, 0xfffffffe, 7, 16, 5])
  t.deepEqual([...block.bytes.subarray(20, 25)], [1, 2, 3, 4, 5])
  block.append(WRITE, 3, 0, 0, new Uint8Array(0))
  t.is(block.used, 48)
  t.is(block.room, 208)
  t.deepEqual(words(block.bytes.subarray(28), 5), [WRITE, 3, 0, 0, 0])
  block.clear()
  t.is(block.used, 0)
})

test('text is encoded in place', (t) => {
  const block = new Block(128)
  block.appendText(WRITE, 1, 0, 0, 'tee, thé, 茶')
  const expected = new TextEncoder().encode('tee, thé, 茶')
  t.is(words(block.bytes, 5)[4], expected.length)
  t.deepEqual(block.bytes.subarray(20, 20 + expected.length), expected)
  t.is(block.used, recordBytes(expected.length))
})

test('packed datagrams come apart as views, empty ones too', (t) => {
  const slab = new Uint8Array(64)
  const view = new DataView(slab.buffer)
  view.setUint32(8, 5, true)
  slab.set([1, 2, 3, 4, 5], 12)
  view.setUint32(20, 0, true)
  view.setUint32(24, 1, true)
  slab[28] = 7
  t.deepEqual(
    unpackDatagrams(slab, 8, 32).map((one) => [...one]),
    [[1, 2, 3, 4, 5], [], [7]],
  )
  t.deepEqual(unpackDatagrams(slab, 8, 8), [])
})

test('u64, hex, text and memory', (t) => {
  for (const value of [0n, 1n, (1n << 62n) - 1n]) t.is(readU64(u64(value)), value)
  t.is(readU64(new Uint8Array([9, ...u64(5n)]).subarray(1)), 5n)
  t.is(hex(Uint8Array.of(9, 0, 255).subarray(1)), '00ff')
  t.is(text(Uint8Array.of(0x61, 0xff)), 'a\ufffd')
  t.is(utf8Into('é', new Uint8Array(3)), 2)
  const own = allocate(10)
  t.is(own.constructor, Uint8Array)
  t.is(own.buffer.byteLength, 10)
  const source = Buffer.from('abc')
  const copied = copy(source)
  source[0] = 0
  t.deepEqual([...copied], [97, 98, 99])
})
