// Frames behind their length, as automerge.md has them: u32 big-endian for repo sessions, u64 little-endian for document sync.
import { GaiwanError } from '../errors.js'
import { allocate, type Bytes, copy } from './bytes.js'
import { integer, isBytes, oneOf } from './check.js'

/** u32 big-endian for repo sessions, u64 little-endian for document sync. */
export type FramePrefix = 'u32be' | 'u64le'

const PREFIXES = ['u32be', 'u64le'] as const
const PREFIX_BYTES = { u32be: 4, u64le: 8 } as const
/** What a prefix may say where the reader is asked for no less. */
const MAX_PAYLOAD = 2 ** 32 - 1
/** Memory of a frame at first; more only when so much has come. */
const FIRST_BYTES = 64 * 1024

/** A frame of its own memory. A payload that does not fit the prefix is FRAME_TOO_LARGE. */
export function encodeFrame(payload: Uint8Array, prefix: FramePrefix): Bytes {
  if (!isBytes(payload)) throw new TypeError('payload: expected a Uint8Array')
  const head = PREFIX_BYTES[oneOf(prefix, 'prefix', PREFIXES)]
  if (payload.length > MAX_PAYLOAD) throw tooLarge(payload.length, MAX_PAYLOAD)
  const frame = allocate(head + payload.length)
  writePrefix(frame, payload.length, prefix)
  frame.set(payload, head)
  return frame
}

/** Writes a length at the start of `frame`. */
export function writePrefix(frame: Uint8Array, length: number, prefix: FramePrefix): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (prefix === 'u32be') view.setUint32(0, length)
  else view.setBigUint64(0, BigInt(length), true)
}

/** @internal */
export function tooLarge(length: number, max: number): GaiwanError {
  return new GaiwanError('FRAME_TOO_LARGE', `a frame of ${length} bytes, the limit is ${max}`)
}

/**
 * Cuts frames out of chunks, wherever those were cut.
 *
 * Memory grows with what has come, never with what a prefix announces. After an error the reader is of no use any more.
 *
 * @example
 * ```ts
 * const reader = new FrameReader('u32be', 8 * 1024 * 1024)
 * for await (const chunk of recv) for (const payload of reader.push(chunk)) handle(payload)
 * ```
 */
export class FrameReader {
  readonly #prefix: FramePrefix
  readonly #max: number
  readonly #head: Bytes
  /** Bytes of the prefix that are here. */
  #headBytes = 0
  /** Length of the frame under way; -1 while its prefix is not whole. */
  #length = -1
  #body: Bytes = new Uint8Array(0)
  #bodyBytes = 0

  /** @param maxFrameBytes the longest payload that is read */
  constructor(prefix: FramePrefix, maxFrameBytes: number) {
    this.#prefix = oneOf(prefix, 'prefix', PREFIXES)
    this.#max = integer(maxFrameBytes, 'maxFrameBytes', 0, MAX_PAYLOAD)
    this.#head = new Uint8Array(PREFIX_BYTES[prefix])
  }

  /** Bytes of an unfinished frame. */
  get pendingBytes(): number {
    return this.#headBytes + this.#bodyBytes
  }

  /** The payloads that end in this chunk, in memory of their own. Codes: FRAME_TOO_LARGE, before any allocation. */
  push(chunk: Uint8Array): Bytes[] {
    if (!isBytes(chunk)) throw new TypeError('chunk: expected a Uint8Array')
    const frames: Bytes[] = []
    let at = 0
    for (;;) {
      if (this.#length < 0) {
        const n = Math.min(chunk.length - at, this.#head.length - this.#headBytes)
        this.#head.set(chunk.subarray(at, at + n), this.#headBytes)
        this.#headBytes += n
        at += n
        if (this.#headBytes < this.#head.length) return frames
        this.#length = this.#readLength()
      }
      const n = Math.min(chunk.length - at, this.#length - this.#bodyBytes)
      const part = chunk.subarray(at, at + n)
      at += n
      if (n === this.#length) frames.push(copy(part))
      else {
        this.#add(part)
        if (this.#bodyBytes < this.#length) return frames
        frames.push(this.#body)
      }
      this.#body = new Uint8Array(0)
      this.#headBytes = this.#bodyBytes = 0
      this.#length = -1
    }
  }

  #readLength(): number {
    const view = new DataView(this.#head.buffer)
    const length = this.#prefix === 'u32be' ? view.getUint32(0) : view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true)
    if (length > this.#max) throw tooLarge(length, this.#max)
    return length
  }

  #add(part: Uint8Array): void {
    const wanted = this.#bodyBytes + part.length
    if (wanted > this.#body.length) {
      const larger = allocate(Math.min(this.#length, Math.max(FIRST_BYTES, wanted, 2 * this.#body.length)))
      larger.set(this.#body.subarray(0, this.#bodyBytes))
      this.#body = larger
    }
    this.#body.set(part, this.#bodyBytes)
    this.#bodyBytes = wanted
  }
}
