// Many of one kind: lists with and without a count, sets.
import { fail, within } from '../failure.js'
import type { Reader } from '../reader.js'
import type { Writer } from '../writer.js'
import { type AnyCodec, type Codec, Coder, codec, coderOf, type Infer, type Input, kindOf, type Shape } from './codec.js'
import { sizeOf } from './text.js'

/** Heap of a Map, a Set (160) or an object without prototype that has up to four entries, measured with Node.js 20. */
export const EMPTY_TABLE_BYTES = 192
/** Up to this many items memory is asked for at once, so that lists have no slack; more than fit a message. */
const ALLOCATED_AT_ONCE = 1 << 24

type Items<In> = Iterable<In> & object

/** Something to iterate that is no text. */
function iterable<In>(value: Items<In>): Items<In> {
  const object = typeof value === 'object' || typeof value === 'function' ? value : null
  if (object === null || typeof object[Symbol.iterator] !== 'function') fail(`${kindOf(value)} is not iterable`)
  return value
}

/** Writes every item; answers how many there were. */
function writeItems<In>(writer: Writer, item: Coder<unknown, In>, items: Iterable<In>): number {
  const zeroSize = item.minBytes === 0
  let n = 0
  try {
    for (const one of items) {
      if (zeroSize) writer.zeroSize(1)
      item.write(writer, one)
      n++
    }
  } catch (thrown) {
    throw within(thrown, `[${n}]`)
  }
  return n
}

function readItems<Out>(reader: Reader, item: Coder<Out, never>, count: number): Out[] {
  const items: Out[] = count <= ALLOCATED_AT_ONCE ? new Array<Out>(count) : []
  let n = 0
  try {
    if (count <= ALLOCATED_AT_ONCE) for (; n < count; n++) items[n] = item.read(reader)
    else for (; n < count; n++) items.push(item.read(reader))
  } catch (thrown) {
    throw within(thrown, `[${n}]`)
  }
  return items
}

/** A count, which is written when it is known, and the items. */
export function writeCounted<In>(writer: Writer, item: Coder<unknown, In>, items: Iterable<In>): void {
  const mark = writer.length
  writer.byte(0)
  writer.patch(mark, writeItems(writer, item, items))
}

class Seq<Out, In> extends Coder<Out[], Items<In>> {
  readonly name: string
  readonly shape: Shape

  constructor(
    readonly item: Coder<Out, In>,
    of: AnyCodec,
  ) {
    super()
    this.name = `seq(${item.name})`
    this.shape = { kind: 'seq', item: of }
  }

  protected least(): number {
    return 1
  }

  write(writer: Writer, value: Items<In>): void {
    if (!Array.isArray(value)) {
      writeCounted(writer, this.item, iterable(value))
      return
    }
    const { length } = value
    writer.varint(length)
    if (writeItems(writer, this.item, value) !== length) fail('the array changed while it was written')
  }

  read(reader: Reader): Out[] {
    return readItems(reader, this.item, reader.count(this.item.minBytes))
  }
}

class FixedArray<Out, In> extends Coder<Out[], Items<In>> {
  readonly name: string
  readonly shape: Shape

  constructor(
    readonly item: Coder<Out, In>,
    readonly length: number,
    of: AnyCodec,
  ) {
    super()
    this.name = `array(${item.name}, ${length})`
    this.shape = { kind: 'array', item: of, length }
  }

  protected least(): number {
    return this.length * this.item.minBytes
  }

  write(writer: Writer, value: Items<In>): void {
    const { length, item } = this
    if (this.minBytes === 0) writer.zeroSize(length)
    let n = 0
    for (const one of iterable(value)) {
      if (n === length) fail(`more than ${length} items`)
      try {
        item.write(writer, one)
      } catch (thrown) {
        throw within(thrown, `[${n}]`)
      }
      n++
    }
    if (n < length) fail(`${n} items, expected ${length}`)
  }

  read(reader: Reader): Out[] {
    if (this.minBytes === 0) reader.zeroSize(this.length)
    else if (this.minBytes > reader.left) fail('the bytes end early')
    return readItems(reader, this.item, this.length)
  }
}

/** Written in the order of insertion, each value once. */
class SetCoder<Out, In> extends Coder<Set<Out>, Items<In>> {
  readonly name: string
  readonly shape: Shape

  constructor(
    readonly item: Coder<Out, In>,
    of: AnyCodec,
  ) {
    super()
    this.name = `set(${item.name})`
    this.shape = { kind: 'set', item: of }
  }

  protected least(): number {
    return 1
  }

  write(writer: Writer, value: Items<In>): void {
    writeCounted(writer, this.item, value instanceof Set ? (value as Set<In>) : onlyOnce(iterable(value)))
  }

  read(reader: Reader): Set<Out> {
    const count = reader.count(this.item.minBytes)
    reader.heap(EMPTY_TABLE_BYTES)
    const items = new Set<Out>()
    let n = 0
    try {
      for (; n < count; n++) items.add(this.item.read(reader))
    } catch (thrown) {
      throw within(thrown, `[${n}]`)
    }
    return items
  }
}

/** Passes each value on once; a source without end ends with the writer's limit. */
function* onlyOnce<In>(items: Iterable<In>): Iterable<In> {
  const seen = new Set<In>()
  for (const one of items) {
    if (seen.has(one)) continue
    seen.add(one)
    yield one
  }
}

/** Takes any iterable but a string. */
export function seq<C extends AnyCodec>(t: C): Codec<Infer<C>[], Iterable<Input<C>> & object> {
  return codec(new Seq(coderOf(t, 't'), t))
}

/**
 * `n` items, no count.
 *
 * @throws {RangeError} if `n` is no whole number from 0 to 2^32 - 1.
 */
export function array<C extends AnyCodec>(t: C, n: number): Codec<Infer<C>[], Iterable<Input<C>> & object> {
  return codec(new FixedArray(coderOf(t, 't'), sizeOf(n), t))
}

/** A set; what repeats is written once, and what a peer repeats is there once. */
export function set<C extends AnyCodec>(t: C): Codec<Set<Infer<C>>, Iterable<Input<C>> & object> {
  return codec(new SetCoder(coderOf(t, 't'), t))
}
