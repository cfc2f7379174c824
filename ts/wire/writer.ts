// Bytes in the making.
import { allocate, type Bytes } from './bytes.js'
import { Failure, fail } from './failure.js'
import { varintLength } from './varint.js'

/** Items of no size that one message may have. */
export const MAX_ZERO_SIZE_ITEMS = 2 ** 16
/** How deep values may nest: how often `lazy` is inside itself. */
export const MAX_DEPTH = 128
/** Above this `clear` gives the buffer up. */
const KEPT_BYTES = 1 << 20
/** What a typed array is asked for at most. */
const MAX_BYTES = 2 ** 31 - 1
/** Strings up to this length are written a character at a time while they are ASCII. */
const SHORT = 48

/**
 * One buffer that grows by doubling and is reused after `clear`. Not for two uses at once.
 *
 * @example
 * ```ts
 * const writer = new Writer()
 * const mark = writer.beginFrame()
 * writer.text('tea')
 * writer.endFrame(mark)
 * writer.take() // 04 03 74 65 61
 * ```
 */
export class Writer {
  #bytes: Bytes
  /** The same memory as a Buffer, for its UTF-8. */
  #buffer: Buffer
  /** The same memory for floats; made when first needed. */
  #floats: DataView | null = null
  #at = 0
  /** Where the buffer or the limit ends. */
  #end: number
  #limit = MAX_BYTES
  #depth = 0
  #zeroSize = 0

  /** @param capacity bytes to begin with */
  constructor(capacity = 512) {
    this.#bytes = allocate(capacity)
    this.#buffer = Buffer.from(this.#bytes.buffer)
    this.#end = capacity
  }

  /** Bytes written since the last `clear`. */
  get length(): number {
    return this.#at
  }

  /** The most bytes it may hold; what would pass that fails with RPC_TOO_LARGE. */
  get limit(): number {
    return this.#limit
  }

  set limit(bytes: number) {
    this.#limit = Math.min(bytes, MAX_BYTES)
    this.#end = Math.min(this.#bytes.length, this.#limit)
  }

  /** Forgets what was written and keeps the buffer, unless it became large. */
  clear(): void {
    this.#at = 0
    if (this.#bytes.length > KEPT_BYTES) this.#adopt(allocate(512))
  }

  /** Back to an earlier `length`. */
  rewind(mark: number): void {
    this.#at = mark
  }

  /** A view of what was written; the next write or `clear` may change or abandon it. */
  view(): Bytes {
    return this.#bytes.subarray(0, this.#at)
  }

  /** What was written, in memory of its own. */
  take(): Bytes {
    return this.#bytes.slice(0, this.#at)
  }

  /** A new message begins: counts what it may cost. */
  begin(): void {
    this.#depth = 0
    this.#zeroSize = 0
  }

  /** Counts items that take no bytes. */
  zeroSize(count: number): void {
    this.#zeroSize += count
    if (this.#zeroSize > MAX_ZERO_SIZE_ITEMS) fail(`more than ${MAX_ZERO_SIZE_ITEMS} items of no size`)
  }

  /** One level of nesting down; `up` follows unless writing fails. */
  down(): void {
    if (++this.#depth > MAX_DEPTH) fail(`nested more than ${MAX_DEPTH} levels`)
  }

  up(): void {
    this.#depth--
  }

  byte(value: number): void {
    if (this.#at >= this.#end) this.#grow(1)
    this.#bytes[this.#at++] = value
  }

  /** The shortest varint of a whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    if (this.#at + 8 > this.#end) this.#grow(varintLength(value))
    const bytes = this.#bytes
    let at = this.#at
    let rest = value
    while (rest > 0x7fffffff) {
      bytes[at++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    bytes[at++] = rest
    this.#at = at
  }

  /** The shortest varint of a whole number from 0 to 2^128 - 1. */
  bigVarint(value: bigint): void {
    let rest = value
    while (rest > 0x1fffffffffffffn) {
      // Seven groups, which a number holds, at a time.
      let groups = Number(rest & 0x1ffffffffffffn)
      rest >>= 49n
      for (let n = 0; n < 7; n++) {
        this.byte((groups % 128) | 0x80)
        groups = Math.floor(groups / 128)
      }
    }
    this.varint(Number(rest))
  }

  /** Bytes as they are, without a length. */
  raw(bytes: Uint8Array): void {
    if (this.#at + bytes.length > this.#end) this.#grow(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  f32(value: number): void {
    if (this.#at + 4 > this.#end) this.#grow(4)
    this.#view().setFloat32(this.#at, value, true)
    this.#at += 4
  }

  f64(value: number): void {
    if (this.#at + 8 > this.#end) this.#grow(8)
    this.#view().setFloat64(this.#at, value, true)
    this.#at += 8
  }

  /** The length in bytes as a varint, then UTF-8; ill-formed UTF-16 is a failure. */
  text(value: string): void {
    const { length } = value
    if (length > SHORT || !this.#shortText(value)) this.#longText(value)
  }

  /** Writes ASCII; answers false, with nothing written, where there is more than that. */
  #shortText(value: string): boolean {
    const { length } = value
    if (this.#at + length + 1 > this.#end) this.#grow(length + 1)
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = length
    for (let n = 0; n < length; n++) {
      const unit = value.charCodeAt(n)
      if (unit > 0x7f) return false
      bytes[at++] = unit
    }
    this.#at = at
    return true
  }

  /** Opens a frame: a varint length and what is written until `endFrame`. Answers the mark for that. */
  beginFrame(): number {
    const mark = this.#at
    this.byte(0)
    return mark
  }

  /**
   * Puts the length in front of what was written since `beginFrame`. Frames follow one another without gaps.
   *
   * @param max bytes of payload; more are a failure of kind `large`
   */
  endFrame(mark: number, max = MAX_BYTES): void {
    const length = this.#at - mark - 1
    if (length > max) throw new Failure(`the message has more than ${max} bytes`, 'large')
    this.patch(mark, length)
  }

  /** Replaces the one byte at `mark` by a varint and moves what follows. */
  patch(mark: number, value: number): void {
    const more = varintLength(value) - 1
    const end = this.#at + more
    if (more > 0) {
      if (end > this.#end) this.#grow(more)
      this.#bytes.copyWithin(mark + 1 + more, mark + 1, this.#at)
    }
    this.#at = mark
    this.varint(value)
    this.#at = end
  }

  #longText(value: string): void {
    // Node.js has `isWellFormed` since 20; the library of types that TypeScript is told to use is a year older.
    if (!(value as string & { isWellFormed(): boolean }).isWellFormed()) fail('a lone surrogate is not text')
    const length = Buffer.byteLength(value)
    this.varint(length)
    if (this.#at + length > this.#end) this.#grow(length)
    this.#buffer.write(value, this.#at, length, 'utf8')
    this.#at += length
  }

  #view(): DataView {
    this.#floats ??= new DataView(this.#bytes.buffer)
    return this.#floats
  }

  #grow(more: number): void {
    const needed = this.#at + more
    if (needed > this.#limit) throw new Failure(`the message has more than ${this.#limit} bytes`, 'large')
    // A varint asks for more room than it takes.
    if (needed <= this.#bytes.length) return
    const grown = allocate(Math.min(Math.max(2 * this.#bytes.length, needed + 16), MAX_BYTES))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#adopt(grown)
  }

  #adopt(bytes: Bytes): void {
    this.#bytes = bytes
    this.#buffer = Buffer.from(bytes.buffer)
    this.#floats = null
    this.#end = Math.min(bytes.length, this.#limit)
  }
}
