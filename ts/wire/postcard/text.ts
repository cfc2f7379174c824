// Text and bytes.
import { type Bytes, copy, hex } from '../bytes.js'
import { isBytes } from '../check.js'
import { fail } from '../failure.js'
import type { Reader } from '../reader.js'
import type { Writer } from '../writer.js'
import { type Codec, Coder, codec, kindOf, type Shape } from './codec.js'

class Str extends Coder<string> {
  readonly name = 'str'
  readonly shape: Shape = { kind: 'str' }

  protected least(): number {
    return 1
  }

  write(writer: Writer, value: string): void {
    if (typeof value !== 'string') fail(`${kindOf(value)} is not a str`)
    writer.text(value)
  }

  read(reader: Reader): string {
    return reader.text()
  }
}

/** One code point: a length and its UTF-8. Of a text of several, which Rust reads too, the first is taken. */
class Char extends Coder<string> {
  readonly name = 'char'
  readonly shape: Shape = { kind: 'char' }

  protected least(): number {
    return 2
  }

  write(writer: Writer, value: string): void {
    const point = typeof value === 'string' ? value.codePointAt(0) : undefined
    if (point === undefined || value.length !== (point > 0xffff ? 2 : 1)) fail('not one code point')
    writer.text(value)
  }

  read(reader: Reader): string {
    const length = reader.length()
    if (length < 1 || length > 4) fail('a char has 1 to 4 bytes')
    const text = reader.utf8(length)
    return String.fromCodePoint(text.codePointAt(0) as number)
  }
}

class ByteString extends Coder<Bytes, Uint8Array> {
  readonly shape: Shape = { kind: 'bytes' }

  constructor(
    readonly name: string,
    readonly own: boolean,
  ) {
    super()
  }

  protected least(): number {
    return 1
  }

  write(writer: Writer, value: Uint8Array): void {
    if (!isBytes(value)) fail(`${kindOf(value)} is not a Uint8Array`)
    writer.varint(value.length)
    writer.raw(value)
  }

  read(reader: Reader): Bytes {
    const view = reader.view(reader.length())
    return this.own ? copy(view) : view
  }
}

class FixedBytes extends Coder<Bytes, Uint8Array> {
  readonly name: string
  readonly shape: Shape

  constructor(
    readonly size: number,
    name?: string,
  ) {
    super()
    this.name = name ?? `fixedBytes(${size})`
    this.shape = name === undefined ? { kind: 'fixedBytes', length: size } : { kind: 'named', name }
  }

  protected least(): number {
    return this.size
  }

  write(writer: Writer, value: Uint8Array): void {
    if (!isBytes(value)) fail(`${kindOf(value)} is not a Uint8Array`)
    if (value.length !== this.size) fail(`${value.length} bytes, expected ${this.size}`)
    writer.raw(value)
  }

  read(reader: Reader): Bytes {
    return reader.view(this.size)
  }
}

/** Ids and hashes: raw bytes that are lowercase hex in TypeScript. */
export class HexBytes extends Coder<string> {
  readonly shape: Shape

  /**
   * @param name of the type in Rust
   * @param toHex hex of what a user gives; fails if it is no such thing
   * @param check fails for bytes of a peer that are no such thing
   */
  constructor(
    readonly name: string,
    readonly size: number,
    readonly toHex: (value: string) => string,
    readonly check: (bytes: Bytes) => void,
  ) {
    super()
    this.shape = { kind: 'named', name }
  }

  protected least(): number {
    return this.size
  }

  write(writer: Writer, value: string): void {
    writer.raw(Buffer.from(this.toHex(value), 'hex'))
  }

  read(reader: Reader): string {
    const bytes = reader.view(this.size)
    this.check(bytes)
    return hex(bytes)
  }
}

/** Ill-formed UTF-16 is an error. */
export const str: Codec<string> = codec(new Str())
/** One code point. */
export const char: Codec<string> = codec(new Char())
/** Decoded: a view into the message's memory. */
export const bytes: Codec<Bytes, Uint8Array> = codec(new ByteString('bytes', false))
/** As `bytes`, decoded into memory of its own. */
export const copyBytes: Codec<Bytes, Uint8Array> = codec(new ByteString('copyBytes', true))
/** 64 bytes. */
export const signature: Codec<Bytes, Uint8Array> = codec(new FixedBytes(64, 'Signature'))

/**
 * `n` raw bytes, no count.
 *
 * @throws {RangeError} if `n` is no whole number from 0 to 2^32 - 1.
 */
export function fixedBytes(n: number): Codec<Bytes, Uint8Array> {
  return codec(new FixedBytes(sizeOf(n)))
}

/** A size that a schema fixes. */
export function sizeOf(n: number): number {
  if (!Number.isInteger(n) || n < 0 || n > 0xffff_ffff) throw new RangeError('n: expected a whole number from 0 to 4294967295')
  return n
}
