// Bytes in and out: UTF-8, codes, and memory that is handed to users.

/** Bytes to send; a string is encoded as UTF-8. */
export type BytesLike = Uint8Array | string
/** Bytes that gaiwan hands out: a plain `Uint8Array` over ordinary memory. */
export type Bytes = Uint8Array<ArrayBuffer>
/** A BLAKE3 hash as 64 lowercase hex digits. */
export type Hash = string

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** No bytes. Shared: it has nothing that could be changed. */
export const EMPTY: Bytes = new Uint8Array(0)

/** UTF-8 of `text`. */
export function utf8(text: string): Bytes {
  return encoder.encode(text)
}

/** Writes UTF-8 of `text` at the start of `target`, which has room for three bytes a character; how many bytes it took. */
export function utf8Into(text: string, target: Uint8Array): number {
  return encoder.encodeInto(text, target).written
}

/** Text of UTF-8 bytes; what is none becomes U+FFFD. */
export function text(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

/** One character for each byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** Lowercase hex. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/**
 * Memory of its own that is not cleared first: whoever asks fills all of it before anyone else sees it.
 * Never a piece of Node's shared pool, so it can be kept and transferred.
 */
export function allocate(length: number): Bytes {
  // Clearing a little is cheaper than asking for memory that is not cleared.
  if (length <= 4_096) return new Uint8Array(length)
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer as ArrayBuffer, 0, length)
}

/** A copy in memory of its own. */
export function copy(bytes: Uint8Array): Bytes {
  const own = allocate(bytes.length)
  own.set(bytes)
  return own
}

/** A u64, little-endian, at the start of `bytes`. */
export function readU64(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true)
}

/** A u64, little-endian. */
export function u64(value: bigint): Bytes {
  return new Uint8Array(BigUint64Array.of(value).buffer)
}
