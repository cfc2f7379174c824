// Keys and values.
import { fail, within } from '../failure.js'
import type { Reader } from '../reader.js'
import type { Writer } from '../writer.js'
import { type AnyCodec, type Codec, Coder, codec, coderOf, type Infer, type Input, kindOf, type Shape } from './codec.js'
import { EMPTY_TABLE_BYTES, writeCounted } from './sequence.js'
import { str } from './text.js'

/** A key and a value, one behind the other. */
class Entry<KO, KI, VO, VI> extends Coder<[KO, VO], readonly [KI, VI]> {
  readonly name = 'entry'
  readonly shape: Shape = { kind: 'unit' }

  constructor(
    readonly key: Coder<KO, KI>,
    readonly value: Coder<VO, VI>,
  ) {
    super()
  }

  protected least(): number {
    return this.key.minBytes + this.value.minBytes
  }

  write(writer: Writer, entry: readonly [KI, VI]): void {
    if (!Array.isArray(entry) || entry.length !== 2) fail(`${kindOf(entry)} is not a pair`)
    let n = 0
    try {
      this.key.write(writer, entry[0])
      n = 1
      this.value.write(writer, entry[1])
    } catch (thrown) {
      throw within(thrown, `[${n}]`)
    }
  }

  read(reader: Reader): [KO, VO] {
    let n = 0
    try {
      const key = this.key.read(reader)
      n = 1
      return [key, this.value.read(reader)]
    } catch (thrown) {
      throw within(thrown, `[${n}]`)
    }
  }
}

/** Reads a count and so many entries; the paths of failures say which. */
function readEntries<KO, VO>(reader: Reader, entry: Coder<[KO, VO], never>, take: (key: KO, value: VO) => void): void {
  const count = reader.count(entry.minBytes)
  let n = 0
  try {
    for (; n < count; n++) {
      const [key, value] = entry.read(reader)
      take(key, value)
    }
  } catch (thrown) {
    throw within(thrown, `[${n}]`)
  }
}

class MapCoder<KO, KI, VO, VI> extends Coder<Map<KO, VO>, Iterable<readonly [KI, VI]>> {
  readonly name: string
  readonly shape: Shape
  readonly #entry: Entry<KO, KI, VO, VI>

  constructor(key: Coder<KO, KI>, value: Coder<VO, VI>, shape: Shape) {
    super()
    this.name = `map(${key.name}, ${value.name})`
    this.shape = shape
    this.#entry = new Entry(key, value)
  }

  protected least(): number {
    return 1
  }

  write(writer: Writer, value: Iterable<readonly [KI, VI]>): void {
    if (typeof value !== 'object' || value === null || typeof value[Symbol.iterator] !== 'function') {
      fail(`${kindOf(value)} is not a Map or an iterable of pairs`)
    }
    writeCounted(writer, this.#entry, value)
  }

  read(reader: Reader): Map<KO, VO> {
    const map = new Map<KO, VO>()
    reader.heap(EMPTY_TABLE_BYTES)
    readEntries(reader, this.#entry, (key, value) => map.set(key, value))
    return map
  }
}

class RecordCoder<VO, VI> extends Coder<Record<string, VO>, Readonly<Record<string, VI>>> {
  readonly name: string
  readonly shape: Shape
  readonly #entry: Entry<string, string, VO, VI>

  constructor(value: Coder<VO, VI>, shape: Shape) {
    super()
    this.name = `record(${value.name})`
    this.shape = shape
    this.#entry = new Entry(coderOf(str, 'key'), value)
  }

  protected least(): number {
    return 1
  }

  write(writer: Writer, value: Readonly<Record<string, VI>>): void {
    // A Map or a list would be written as nothing, or by its indexes.
    if (typeof value !== 'object' || value === null || Symbol.iterator in value) fail(`${kindOf(value)} is not a record`)
    writeCounted(writer, this.#entry, Object.entries(value))
  }

  read(reader: Reader): Record<string, VO> {
    const record = Object.create(null) as Record<string, VO>
    reader.heap(EMPTY_TABLE_BYTES)
    readEntries(reader, this.#entry, (key, value) => {
      record[key] = value
    })
    return record
  }
}

/**
 * Keeps the order of insertion. A key that repeats has the last of its values; keys that are objects are
 * compared as JavaScript does, so they never repeat.
 */
export function map<K extends AnyCodec, V extends AnyCodec>(
  key: K,
  value: V,
): Codec<Map<Infer<K>, Infer<V>>, Iterable<readonly [Input<K>, Input<V>]>> {
  return codec(new MapCoder(coderOf(key, 'key'), coderOf(value, 'value'), { kind: 'map', key, value }))
}

/** A map of strings as an object without prototype. */
export function record<V extends AnyCodec>(value: V): Codec<Record<string, Infer<V>>, Readonly<Record<string, Input<V>>>> {
  return codec(new RecordCoder(coderOf(value, 'value'), { kind: 'map', key: str, value }))
}
