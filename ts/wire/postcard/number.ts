// Booleans and numbers: the table of the data format in postcard 1.1.3, `src/ser/serializer.rs` and `src/de/deserializer.rs`.
import { Failure, fail } from '../failure.js'
import type { Reader } from '../reader.js'
import { unzigzag, zigzag } from '../varint.js'
import type { Writer } from '../writer.js'
import { type Codec, Coder, codec, kindOf, type Primitive, type Shape } from './codec.js'

/** A codec without parts, made of how it writes and reads. */
class Scalar<T> extends Coder<T> {
  readonly shape: Shape

  constructor(
    readonly name: string,
    kind: Primitive,
    readonly size: number,
    readonly write: (writer: Writer, value: T) => void,
    readonly read: (reader: Reader) => T,
  ) {
    super()
    this.shape = Object.freeze({ kind })
  }

  protected least(): number {
    return this.size
  }
}

function scalar<T>(
  name: string,
  kind: Primitive,
  size: number,
  write: (writer: Writer, value: T) => void,
  read: (reader: Reader) => T,
): Codec<T> {
  return codec(new Scalar(name, kind, size, write, read))
}

/** A value that is no number of the kind, or none in its range. */
function wrong(value: unknown, type: 'number' | 'bigint', name: string): never {
  throw new Failure(`${kindOf(value)} is not a${/^[aeio]/.test(name) ? 'n' : ''} ${name}`, typeof value === type ? 'range' : 'value')
}

function whole(value: number, min: number, max: number, name: string): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) wrong(value, 'number', name)
}

function big(value: bigint, min: bigint, max: bigint, name: string): void {
  if (typeof value !== 'bigint' || value < min || value > max) wrong(value, 'bigint', name)
}

export const bool: Codec<boolean> = scalar(
  'bool',
  'bool',
  1,
  (writer, value) => {
    if (typeof value !== 'boolean') fail(`${kindOf(value)} is not a bool`)
    writer.byte(value ? 1 : 0)
  },
  (reader) => {
    const byte = reader.byte()
    if (byte > 1) fail(`${byte} is not a bool`)
    return byte === 1
  },
)

/** Whole numbers in range, else `RangeError`. */
export const u8: Codec<number> = scalar(
  'u8',
  'u8',
  1,
  (writer, value) => {
    whole(value, 0, 0xff, 'u8')
    writer.byte(value)
  },
  (reader) => reader.byte(),
)
/** Whole numbers from -128 to 127, as a byte in two's complement. */
export const i8: Codec<number> = scalar(
  'i8',
  'i8',
  1,
  (writer, value) => {
    whole(value, -0x80, 0x7f, 'i8')
    writer.byte(value & 0xff)
  },
  (reader) => (reader.byte() << 24) >> 24,
)
export const u16: Codec<number> = scalar(
  'u16',
  'u16',
  1,
  (writer, value) => {
    whole(value, 0, 0xffff, 'u16')
    writer.varint(value)
  },
  (reader) => reader.varint16(),
)
export const u32: Codec<number> = scalar(
  'u32',
  'u32',
  1,
  (writer, value) => {
    whole(value, 0, 0xffff_ffff, 'u32')
    writer.varint(value)
  },
  (reader) => reader.varint32(),
)
export const i16: Codec<number> = signed('i16', 0x7fff, (reader) => reader.varint16())
export const i32: Codec<number> = signed('i32', 0x7fff_ffff, (reader) => reader.varint32())

function signed(name: 'i16' | 'i32', max: number, read: (reader: Reader) => number): Codec<number> {
  return scalar<number>(
    name,
    name,
    1,
    (writer, value) => {
      whole(value, -max - 1, max, name)
      writer.varint(((value << 1) ^ (value >> 31)) >>> 0)
    },
    (reader) => {
      const wire = read(reader)
      return (wire >>> 1) ^ -(wire & 1)
    },
  )
}

/** Always bigint: a number could lose bits unseen. */
export const u64: Codec<bigint> = unsignedBig('u64', (1n << 64n) - 1n, (reader) => reader.varint64())
export const u128: Codec<bigint> = unsignedBig('u128', (1n << 128n) - 1n, (reader) => reader.varint128())
export const i64: Codec<bigint> = signedBig('i64', 1n << 63n, (reader) => reader.varint64())
export const i128: Codec<bigint> = signedBig('i128', 1n << 127n, (reader) => reader.varint128())

function unsignedBig(name: 'u64' | 'u128', max: bigint, read: (reader: Reader) => bigint): Codec<bigint> {
  return scalar(
    name,
    name,
    1,
    (writer, value) => {
      big(value, 0n, max, name)
      writer.bigVarint(value)
    },
    read,
  )
}

function signedBig(name: 'i64' | 'i128', bound: bigint, read: (reader: Reader) => bigint): Codec<bigint> {
  return scalar<bigint>(
    name,
    name,
    1,
    (writer, value) => {
      big(value, -bound, bound - 1n, name)
      writer.bigVarint(zigzag(value))
    },
    (reader) => unzigzag(read(reader)),
  )
}

/** The bytes of u64 and i64 as numbers; beyond 2^53 - 1 is an error both ways. */
export const safeU64: Codec<number> = scalar(
  'safeU64',
  'u64',
  1,
  (writer, value) => {
    whole(value, 0, Number.MAX_SAFE_INTEGER, 'safeU64')
    writer.varint(value)
  },
  (reader) => reader.varint(),
)
export const safeI64: Codec<number> = scalar(
  'safeI64',
  'i64',
  1,
  (writer, value) => {
    whole(value, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 'safeI64')
    writer.bigVarint(zigzag(BigInt(value)))
  },
  (reader) => {
    const value = unzigzag(reader.varint64())
    if (value > Number.MAX_SAFE_INTEGER || value < -Number.MAX_SAFE_INTEGER) fail('beyond 2^53 - 1')
    return Number(value)
  },
)
/** As `safeU64` and `safeI64`. */
export const usize: Codec<number> = safeU64
export const isize: Codec<number> = safeI64

/** Rounds to the nearest of 32 bits. */
export const f32: Codec<number> = scalar(
  'f32',
  'f32',
  4,
  (writer, value) => writer.f32(float(value, 'f32')),
  (reader) => reader.f32(),
)
export const f64: Codec<number> = scalar(
  'f64',
  'f64',
  8,
  (writer, value) => writer.f64(float(value, 'f64')),
  (reader) => reader.f64(),
)

/** Every NaN is the quiet one without payload, as Rust's `NAN`; engines may hold others. */
function float(value: number, name: string): number {
  if (typeof value !== 'number') fail(`${kindOf(value)} is not an ${name}`)
  return Number.isNaN(value) ? Number.NaN : value
}
