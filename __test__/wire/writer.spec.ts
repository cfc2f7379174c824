import test from 'ava'
import fc from 'fast-check'
import { Reader } from '../../ts/wire/reader.js'
import { varintLength } from '../../ts/wire/varint.js'
import { Writer } from '../../ts/wire/writer.js'

test('a writer grows from nothing and keeps what was written', (t) => {
  const writer = new Writer(1)
  for (let n = 0; n < 5_000; n++) writer.varint(n)
  writer.text('é'.repeat(3_000))
  writer.f64(1.5)
  writer.raw(new Uint8Array(70_000).fill(9))
  const reader = new Reader(writer.take())
  for (let n = 0; n < 5_000; n++) t.is(reader.varint(), n)
  t.is(reader.text(), 'é'.repeat(3_000))
  t.is(reader.f64(), 1.5)
  t.is(reader.view(70_000)[69_999], 9)
  t.is(reader.left, 0)
})

test('a view shares memory with the writer, what is taken does not', (t) => {
  const writer = new Writer()
  writer.byte(1)
  const view = writer.view()
  const taken = writer.take()
  writer.rewind(0)
  writer.byte(2)
  t.is(view[0], 2)
  t.is(taken[0], 1)
  t.is(taken.buffer.byteLength, 1)
})

test('a large buffer is given up when the writer is cleared', (t) => {
  const writer = new Writer()
  writer.raw(new Uint8Array(2 << 20))
  t.true(writer.view().buffer.byteLength > 2 << 20)
  writer.clear()
  t.is(writer.length, 0)
  t.is(writer.view().buffer.byteLength, 512)
})

test('a writer stops at its limit to the byte', (t) => {
  const steps: [name: string, bytes: number, write: (writer: Writer) => void][] = [
    ['byte', 1, (writer) => writer.byte(1)],
    ['varint', 3, (writer) => writer.varint(16_384)],
    ['big varint', 19, (writer) => writer.bigVarint(2n ** 128n - 1n)],
    ['text', 4, (writer) => writer.text('tea')],
    ['long text', 102, (writer) => writer.text(`${'x'.repeat(99)}é`)],
    ['raw', 5, (writer) => writer.raw(new Uint8Array(5))],
    ['f32', 4, (writer) => writer.f32(1)],
    ['f64', 8, (writer) => writer.f64(1)],
  ]
  for (const [name, bytes, write] of steps) {
    const writer = new Writer()
    writer.limit = bytes
    write(writer)
    t.is(writer.length, bytes, name)
    writer.clear()
    writer.limit = bytes - 1
    const thrown = t.throws(() => write(writer), { any: true }) as { kind?: string }
    t.is(thrown.kind, 'large', name)
  }
})

test('frames have the shortest length in front, whatever is inside', (t) => {
  const writer = new Writer(8)
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
    writer.clear()
    writer.byte(0xaa)
    const mark = writer.beginFrame()
    writer.raw(new Uint8Array(length).fill(5))
    writer.endFrame(mark)
    const reader = new Reader(writer.take())
    t.is(reader.byte(), 0xaa)
    t.is(reader.varint(), length)
    t.is(reader.left, length)
    t.true(reader.view(length).every((byte) => byte === 5))
    t.is(writer.length, 1 + varintLength(length) + length)
  }
})

test('varints of all sizes come back, as numbers and as bigints', (t) => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), fc.integer({ min: 0, max: 128 }), (safe, big, shift) => {
      const writer = new Writer(1)
      const value = big >> BigInt(shift)
      writer.varint(safe)
      writer.bigVarint(BigInt(safe))
      writer.bigVarint(value)
      const reader = new Reader(writer.take())
      t.is(reader.varint(), safe)
      t.is(reader.varint64(), BigInt(safe))
      t.is(reader.varint128(), value)
      t.is(reader.left, 0)
    }),
    { seed: 7, numRuns: 2_000 },
  )
})

test('a reader of a part sees neither what is before nor what is behind', (t) => {
  const bytes = Uint8Array.of(9, 9, 3, 0x74, 0x65, 0x61, 9)
  const reader = new Reader(bytes, 2, 6)
  t.is(reader.left, 4)
  t.is(reader.text(), 'tea')
  t.is(reader.left, 0)
  const ending = (read: (reader: Reader) => unknown) =>
    (t.throws(() => read(new Reader(Uint8Array.of(0x80, 0x80, 1, 1), 0, 2)), { any: true }) as { text?: string }).text
  const early = 'the bytes end early'
  t.is(
    ending((reader) => reader.varint()),
    early,
  )
  t.is(
    ending((reader) => reader.varint32()),
    early,
  )
  t.is(
    ending((reader) => reader.varint64()),
    early,
  )
  t.is(
    ending((reader) => reader.varint128()),
    early,
  )
  t.is(
    ending((reader) => reader.view(3)),
    early,
  )
  t.is(
    ending((reader) => reader.f32()),
    early,
  )
  t.is(
    ending((reader) => reader.utf8(3)),
    early,
  )
})
