// Bytes being read. Nothing is allocated for a length or count before it is compared with what is left.
import { TextDecoder } from 'node:util'
import { type Bytes, EMPTY } from './bytes.js'
import { Failure, fail } from './failure.js'
import { VARINT_U16, VARINT_U32, VARINT_U64, VARINT_U128, type VarintForm } from './varint.js'
import { MAX_DEPTH, MAX_ZERO_SIZE_ITEMS } from './writer.js'

/** Bytes of heap that the maps and sets of a message may take for each of its bytes, and for any message. */
const HEAP_FACTOR = 64
const HEAP_FREE = 16 << 20
/** Strings up to this length are read a character at a time while they are ASCII. */
const SHORT = 24

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** What fits one byte, so that no bigint is made for it. */
const SMALL = Array.from({ length: 128 }, (_, n) => BigInt(n))

/**
 * Reads one message from its start. Make a new one for each: it also counts what the message may cost.
 *
 * @example
 * ```ts
 * const reader = new Reader(Uint8Array.of(3, 0x74, 0x65, 0x61))
 * reader.text() // 'tea'
 * reader.left // 0
 * ```
 */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number
  #buffer: Buffer | null = null
  #floats: DataView | null = null
  #zeroSize = MAX_ZERO_SIZE_ITEMS
  #heap: number
  #depth = 0

  /** @param start, end which part of `bytes` is the message [all] */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    this.#heap = Math.max(HEAP_FREE, HEAP_FACTOR * (end - start))
  }

  /** Bytes that are not read yet. */
  get left(): number {
    return this.#end - this.#at
  }

  byte(): number {
    if (this.#at >= this.#end) fail('the bytes end early')
    return this.#bytes[this.#at++] as number
  }

  /** A varint of at most 2^16 - 1. */
  varint16(): number {
    return this.#number(VARINT_U16)
  }

  /** A varint of at most 2^32 - 1. */
  varint32(): number {
    return this.#number(VARINT_U32)
  }

  /** A varint of 64 bits as a number; above 2^53 - 1 is a failure. */
  varint(): number {
    const value = this.#number(VARINT_U64)
    if (value > Number.MAX_SAFE_INTEGER) fail('more than 2^53 - 1')
    return value
  }

  /** A varint of at most 2^64 - 1. */
  varint64(): bigint {
    const start = this.#at
    const first = start < this.#end ? (this.#bytes[start] as number) : 0x80
    if (first < 0x80) {
      this.#at = start + 1
      return SMALL[first] as bigint
    }
    const value = this.#number(VARINT_U64)
    if (value <= Number.MAX_SAFE_INTEGER) return BigInt(value)
    this.#at = start
    return this.#big(VARINT_U64)
  }

  /** A varint of at most 2^128 - 1. */
  varint128(): bigint {
    return this.#big(VARINT_U128)
  }

  f32(): number {
    return this.#view().getFloat32(this.#take(4), true)
  }

  f64(): number {
    return this.#view().getFloat64(this.#take(8), true)
  }

  /** A view of the message's memory. */
  view(length: number): Bytes {
    if (length === 0) return EMPTY
    const start = this.#take(length)
    const { buffer, byteOffset } = this.#bytes
    return new Uint8Array(buffer as ArrayBuffer, byteOffset + start, length)
  }

  /** A length in bytes that is there. */
  length(): number {
    const length = this.#number(VARINT_U64)
    if (length > this.#end - this.#at) fail('a length is more than what is left')
    return length
  }

  /** How many items follow: so many of the given size fit into what is left. */
  count(minBytes: number): number {
    const count = this.#number(VARINT_U64)
    if (minBytes === 0) this.zeroSize(count)
    else if (count > (this.#end - this.#at) / minBytes) fail('a count is more than what is left')
    return count
  }

  /** Counts items that take no bytes. */
  zeroSize(count: number): void {
    this.#zeroSize -= count
    if (this.#zeroSize < 0) fail(`more than ${MAX_ZERO_SIZE_ITEMS} items of no size`)
  }

  /** Counts memory that is out of proportion to the bytes it comes from. */
  heap(bytes: number): void {
    this.#heap -= bytes
    if (this.#heap < 0) fail('too many maps and sets for a message of this length')
  }

  /** One level down; `up` follows unless reading fails. */
  down(): void {
    if (++this.#depth > MAX_DEPTH) fail(`nested more than ${MAX_DEPTH} levels`)
  }

  up(): void {
    this.#depth--
  }

  /** A length in bytes as a varint, then that much UTF-8, strictly. */
  text(): string {
    const length = this.length()
    return this.utf8(length)
  }

  /** UTF-8, strictly. */
  utf8(length: number): string {
    const start = this.#take(length)
    if (length > SHORT) return this.#longText(start, length)
    const bytes = this.#bytes
    const end = start + length
    let text = ''
    for (let at = start; at < end; at++) {
      const unit = bytes[at] as number
      if (unit > 0x7f) return this.#longText(start, length)
      text += String.fromCharCode(unit)
    }
    return text
  }

  #longText(start: number, length: number): string {
    const bytes = this.#bytes
    this.#buffer ??= Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length)
    const text = this.#buffer.toString('utf8', start, start + length)
    // What is no UTF-8 becomes U+FFFD here, so only where there is one can something be wrong.
    if (!text.includes('\ufffd')) return text
    try {
      return strict.decode(bytes.subarray(start, start + length))
    } catch {
      return fail('not UTF-8')
    }
  }

  #take(length: number): number {
    const start = this.#at
    if (length > this.#end - start) fail('the bytes end early')
    this.#at = start + length
    return start
  }

  #view(): DataView {
    const { buffer, byteOffset, length } = this.#bytes
    this.#floats ??= new DataView(buffer, byteOffset, length)
    return this.#floats
  }

  /** Exact up to 2^53; above that only as large as it is. */
  #number(form: VarintForm): number {
    const bytes = this.#bytes
    let at = this.#at
    if (at >= this.#end) fail('the bytes end early')
    let byte = bytes[at++] as number
    let value = byte & 0x7f
    if (byte > 0x7f) {
      const stop = this.#at + form.bytes
      for (let factor = 128; byte > 0x7f; factor *= 128) {
        if (at === stop) throw new Failure('a varint has too many bytes')
        if (at === this.#end) throw new Failure('the bytes end early')
        byte = bytes[at++] as number
        value += (byte & 0x7f) * factor
      }
      if (at === stop && byte > form.last) throw new Failure('a varint is too large')
    }
    this.#at = at
    return value
  }

  #big(form: VarintForm): bigint {
    let value = 0n
    // Seven groups, which a number holds, at a time.
    let groups = 0
    let factor = 1
    let shift = 0n
    for (let n = 1; n <= form.bytes; n++) {
      const byte = this.byte()
      groups += (byte & 0x7f) * factor
      factor *= 128
      if (byte <= 0x7f) {
        if (n === form.bytes && byte > form.last) fail('a varint is too large')
        return value + (BigInt(groups) << shift)
      }
      if (n % 7 === 0) {
        value += BigInt(groups) << shift
        shift += 49n
        groups = 0
        factor = 1
      }
    }
    return fail('a varint has too many bytes')
  }
}
