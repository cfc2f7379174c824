// The part of CBOR (RFC 8949) that repo sessions use: definite lengths, text keys. What samod 0.5.1 reads, samod 0.16 and cbor-x read too.
import { GaiwanError } from '../errors.js'
import { allocate, type Bytes, utf8Into } from '../wire/bytes.js'
import { writePrefix } from '../wire/frames.js'

/** What goes in and comes out. Integers come out as numbers where those are exact, else as bigint. */
export type Cbor = null | undefined | boolean | number | bigint | string | Uint8Array | readonly Cbor[] | { readonly [key: string]: Cbor }

const MAX_DEPTH = 8
const MAX_KEYS = 64
/** Items of all arrays of a frame. */
const MAX_ITEMS = 65_536
const HEAD_BYTES = 9
const PREFIX_BYTES = 4

/**
 * A value behind its length as u32, big-endian. Keys whose value is undefined or null are left out, at any depth: samod 0.5.1
 * takes neither. Whole numbers go out as integers of the shortest form, never as floats.
 */
export function encodeCborFrame(value: Cbor): Bytes {
  const target = allocate(PREFIX_BYTES + bound(value))
  const length = new Writer(target).write(value)
  writePrefix(target, length - PREFIX_BYTES, 'u32be')
  return target.subarray(0, length)
}

/** The most bytes that a value can take. */
function bound(value: Cbor): number {
  if (typeof value === 'string') return HEAD_BYTES + 3 * value.length
  if (typeof value !== 'object' || value === null) return HEAD_BYTES
  if (value instanceof Uint8Array) return HEAD_BYTES + value.length
  let bytes = HEAD_BYTES
  if (isArray(value)) for (const item of value) bytes += bound(item)
  else for (const key in value) bytes += HEAD_BYTES + 3 * key.length + bound(value[key])
  return bytes
}

class Writer {
  readonly #target: Bytes
  readonly #view: DataView
  #at = PREFIX_BYTES

  constructor(target: Bytes) {
    this.#target = target
    this.#view = new DataView(target.buffer, target.byteOffset, target.byteLength)
  }

  /** Where the next byte goes. */
  write(value: Cbor): number {
    switch (typeof value) {
      case 'string':
        this.#text(value)
        break
      case 'number':
        this.#number(value)
        break
      case 'bigint':
        if (value < 0n) this.#head(0x20, -1n - value)
        else this.#head(0x00, value)
        break
      case 'boolean':
        this.#target[this.#at++] = value ? 0xf5 : 0xf4
        break
      case 'undefined':
        this.#target[this.#at++] = 0xf6
        break
      default:
        this.#object(value)
    }
    return this.#at
  }

  #object(value: null | Uint8Array | readonly Cbor[] | { readonly [key: string]: Cbor }): void {
    if (value === null) this.#target[this.#at++] = 0xf6
    else if (value instanceof Uint8Array) {
      this.#head(0x40, value.length)
      this.#target.set(value, this.#at)
      this.#at += value.length
    } else if (isArray(value)) {
      this.#head(0x80, value.length)
      for (const item of value) this.write(item)
    } else {
      const keys = Object.keys(value).filter((key) => value[key] !== undefined && value[key] !== null)
      this.#head(0xa0, keys.length)
      for (const key of keys) {
        this.#text(key)
        this.write(value[key])
      }
    }
  }

  /** The head has one byte up to 23 bytes of text, and so on: so the text is written where it will be, and moved if that was wrong. */
  #text(text: string): void {
    const guess = headBytes(text.length)
    const start = this.#at
    const length = utf8Into(text, this.#target.subarray(start + guess))
    const needed = headBytes(length)
    if (needed !== guess) this.#target.copyWithin(start + needed, start + guess, start + guess + length)
    this.#head(0x60, length)
    this.#at += length
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value < 0) this.#head(0x20, -1 - value)
      else this.#head(0x00, value)
      return
    }
    this.#target[this.#at++] = 0xfb
    this.#view.setFloat64(this.#at, value)
    this.#at += 8
  }

  #head(major: number, value: number | bigint): void {
    const bytes = headBytes(value)
    const at = this.#at
    this.#at += bytes
    if (bytes === 1) this.#target[at] = major | Number(value)
    else {
      this.#target[at] = major | (bytes === 2 ? 24 : bytes === 3 ? 25 : bytes === 5 ? 26 : 27)
      if (bytes === 2) this.#view.setUint8(at + 1, Number(value))
      else if (bytes === 3) this.#view.setUint16(at + 1, Number(value))
      else if (bytes === 5) this.#view.setUint32(at + 1, Number(value))
      else this.#view.setBigUint64(at + 1, BigInt(value))
    }
  }
}

function headBytes(value: number | bigint): number {
  return value < 24 ? 1 : value < 0x100 ? 2 : value < 0x10000 ? 3 : value < 0x1_0000_0000 ? 5 : 9
}

/**
 * The one value of a frame; byte strings are views of it. Codes: PROTOCOL_VIOLATION for all that is not well-formed, deeper than 8,
 * with more than 64 keys in a map or 65,536 items in all arrays, of indefinite length, or with a key that is no text.
 */
export function decodeCbor(frame: Bytes): Cbor {
  const reader = new Reader(frame)
  const value = reader.read(0)
  if (!reader.isDone) throw bad('bytes behind the value')
  return value
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

class Reader {
  readonly #bytes: Bytes
  readonly #view: DataView
  #at = 0
  #items = 0

  constructor(bytes: Bytes) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length
  }

  read(depth: number): Cbor {
    if (depth > MAX_DEPTH) throw bad(`a depth above ${MAX_DEPTH}`)
    const first = this.#bytes[this.#skip(1)] as number
    const major = first >>> 5
    const info = first & 0x1f
    if (major === 7) return this.#simple(info)
    const value = this.#argument(info)
    switch (major) {
      case 0:
        return value
      case 1:
        return typeof value === 'bigint' || value === Number.MAX_SAFE_INTEGER ? -1n - BigInt(value) : -1 - value
      case 2:
        return this.#take(value)
      case 3:
        return this.#text(value)
      case 4:
        return this.#array(value, depth)
      case 5:
        return this.#map(value, depth)
      default:
        // A tag says how to see the value behind it; here nobody asks.
        return this.read(depth + 1)
    }
  }

  #array(count: number | bigint, depth: number): Cbor[] {
    if (count > MAX_ITEMS - this.#items) throw bad(`more than ${MAX_ITEMS} items`)
    this.#items += Number(count)
    const items: Cbor[] = []
    for (let n = 0; n < count; n++) items.push(this.read(depth + 1))
    return items
  }

  #map(count: number | bigint, depth: number): { [key: string]: Cbor } {
    if (count > MAX_KEYS) throw bad(`more than ${MAX_KEYS} keys`)
    const map: { [key: string]: Cbor } = {}
    for (let n = 0; n < count; n++) {
      const key = this.read(depth + 1)
      if (typeof key !== 'string') throw bad('a key that is no text')
      if (key === '__proto__') throw bad('a key that no object can have')
      map[key] = this.read(depth + 1)
    }
    return map
  }

  #text(length: number | bigint): string {
    const bytes = this.#take(length)
    try {
      return decoder.decode(bytes)
    } catch {
      throw bad('text that is no UTF-8')
    }
  }

  #take(length: number | bigint): Bytes {
    const start = this.#skip(length)
    return this.#bytes.subarray(start, this.#at)
  }

  #argument(info: number): number | bigint {
    if (info < 24) return info
    if (info === 24) return this.#view.getUint8(this.#skip(1))
    if (info === 25) return this.#view.getUint16(this.#skip(2))
    if (info === 26) return this.#view.getUint32(this.#skip(4))
    if (info !== 27) throw bad('an indefinite length')
    const value = this.#view.getBigUint64(this.#skip(8))
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
  }

  #simple(info: number): null | undefined | boolean | number {
    switch (info) {
      case 20:
        return false
      case 21:
        return true
      case 22:
        return null
      case 23:
        return undefined
      case 25:
        return half(this.#view.getUint16(this.#skip(2)))
      case 26:
        return this.#view.getFloat32(this.#skip(4))
      case 27:
        return this.#view.getFloat64(this.#skip(8))
      default:
        throw bad('a simple value that has no meaning here')
    }
  }

  /** Where the next `length` bytes begin; they count as read. */
  #skip(length: number | bigint): number {
    const start = this.#at
    if (length > this.#bytes.length - start) throw bad('fewer bytes than it says')
    this.#at += Number(length)
    return start
  }
}

/** RFC 8949, appendix D. */
function half(bits: number): number {
  const exponent = (bits >>> 10) & 0x1f
  const mantissa = bits & 0x3ff
  const size =
    exponent === 0
      ? mantissa * 2 ** -24
      : exponent === 31
        ? mantissa === 0
          ? Number.POSITIVE_INFINITY
          : Number.NaN
        : (1_024 + mantissa) * 2 ** (exponent - 25)
  return bits & 0x8000 ? -size : size
}

function bad(what: string): GaiwanError {
  return new GaiwanError('PROTOCOL_VIOLATION', `a frame of the peer is no CBOR that is taken here: ${what}`)
}

/** `Array.isArray` does not narrow what is readonly. */
function isArray(value: unknown): value is readonly Cbor[] {
  return Array.isArray(value)
}
