// Whole messages: a value to bytes and back.
import type { Bytes } from '../bytes.js'
import { isBytes } from '../check.js'
import { decodeError, encodeError, fail } from '../failure.js'
import { Reader } from '../reader.js'
import { Writer } from '../writer.js'
import { type AnyCodec, coderOf, type Infer, type Input } from './codec.js'

/** The most bytes of one message: irpc 0.17, `src/util.rs`, `MAX_MESSAGE_SIZE`. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/** The writer that is not in use: `encode` inside a `transform` takes another. */
let spare: Writer | null = null

function written<T>(schema: AnyCodec, value: unknown, finish: (writer: Writer) => T): T {
  const writer = spare ?? new Writer()
  spare = null
  try {
    encodeInto(schema, value as never, writer)
    return finish(writer)
  } finally {
    writer.clear()
    spare = writer
  }
}

/**
 * The bytes of a value, in memory of their own.
 *
 * @throws {GaiwanError} RPC_ENCODE with the path of the bad value. For a number out of its range it is a `RangeError` with that code.
 *
 * @example
 * ```ts
 * const Tea = struct({ name: str, grams: u32 })
 * encode(Tea, { name: 'assam', grams: 300 }) // 05 61 73 73 61 6d ac 02
 * ```
 */
export function encode<C extends AnyCodec>(schema: C, value: Input<C>): Bytes {
  return written(schema, value, (writer) => writer.take())
}

/** How many bytes `encode` makes; it fails alike. */
export function encodedLength<C extends AnyCodec>(schema: C, value: Input<C>): number {
  return written(schema, value, (writer) => writer.length)
}

/**
 * The value at the start of `bytes`. Byte fields are views of the same memory, except those of `copyBytes`.
 *
 * @param options `exact` refuses bytes after the value [false].
 * @throws {GaiwanError} RPC_DECODE with the path of the bad field.
 */
export function decode<C extends AnyCodec>(schema: C, bytes: Uint8Array, options?: { readonly exact?: boolean }): Infer<C> {
  if (!isBytes(bytes)) throw new TypeError('bytes: expected a Uint8Array')
  const reader = new Reader(bytes)
  const value = decodeFrom(schema, reader)
  if (options?.exact === true && reader.left > 0) {
    try {
      fail(`${reader.left} bytes follow the value`)
    } catch (thrown) {
      throw decodeError(thrown, '')
    }
  }
  return value
}

/**
 * Appends a value to a writer. On failure the writer is as before.
 *
 * @param where starts the path in error texts
 * @throws {GaiwanError} RPC_ENCODE; RPC_TOO_LARGE at the writer's limit.
 */
export function encodeInto<C extends AnyCodec>(schema: C, value: Input<C>, writer: Writer, where = ''): void {
  const coder = coderOf(schema, 'schema')
  const mark = writer.length
  writer.begin()
  try {
    coder.write(writer, value)
  } catch (thrown) {
    writer.rewind(mark)
    throw encodeError(thrown, where)
  }
}

/**
 * Reads a value and leaves what follows.
 *
 * @param where starts the path in error texts
 * @throws {GaiwanError} RPC_DECODE
 */
export function decodeFrom<C extends AnyCodec>(schema: C, reader: Reader, where = ''): Infer<C> {
  const coder = coderOf(schema, 'schema')
  try {
    return coder.read(reader)
  } catch (thrown) {
    throw decodeError(thrown, where)
  }
}

export interface FrameOptions {
  /** Of a variant, written before the value. */
  readonly index?: number
  /** Bytes of payload [16 MiB]. */
  readonly max?: number
  /** Starts the path in error texts. */
  readonly where?: string
}

/**
 * Appends a frame: a varint length and so many bytes of payload. On failure the writer is as before.
 *
 * @throws {GaiwanError} RPC_ENCODE; RPC_TOO_LARGE above `max`, found while it is written.
 */
export function encodeFrame<C extends AnyCodec>(schema: C, value: Input<C>, writer: Writer, options: FrameOptions = {}): void {
  const { index, max = MAX_MESSAGE_BYTES, where = '' } = options
  const coder = coderOf(schema, 'schema')
  const { limit, length } = writer
  writer.begin()
  try {
    const mark = writer.beginFrame()
    writer.limit = Math.min(limit, length + 1 + max)
    if (index !== undefined) writer.varint(index)
    coder.write(writer, value)
    writer.limit = limit
    writer.endFrame(mark, max)
  } catch (thrown) {
    writer.limit = limit
    writer.rewind(length)
    throw encodeError(thrown, where)
  }
}
