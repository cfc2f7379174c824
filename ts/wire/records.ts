// The records that cross between JavaScript and the native core, in both directions: `docs/design/boundary.md`.
import { type Bytes, utf8Into } from './bytes.js'

/** What a record towards JavaScript says: bits 0 to 3 of its `kind`. */
export const OK = 0
export const ERROR = 1
export const ITEM = 2
export const END = 3
export const FAILED = 4
export const KIND_BITS = 0xf
/** The body is beside the slab: take it now. */
export const LARGE = 0x80
/** `aux` is a handle. */
export const HANDLE = 0x100
/** `aux` and `aux + 1` are handles. */
export const PAIR = 0x200

/** Words `id, kind, aux, length`. */
export const EVENT_WORDS = 4
/** What a slab must have left for one record. */
export const SLAB_LEFT = 4352

/** What a record towards the native core asks for. */
export const REQUEST = 1
export const RESPOND = 2
export const FAIL = 3
export const WRITE = 4
export const FINISH = 5
export const DATAGRAM = 6
export const RELEASE = 7
export const READ_TO_END = 8
export const BROADCAST = 9
export const CALL = 10
export const ANSWER = 11
export const OPEN = 12

/** Words `op, handle, id, param, length`. */
const OP_BYTES = 20

/** Bytes that a record with a body of `length` takes. */
export function recordBytes(length: number): number {
  return OP_BYTES + ((length + 3) & ~3)
}

/** Records towards the native core, one behind the other. */
export class Block {
  readonly bytes: Bytes
  readonly #words: Uint32Array
  #used = 0

  /** @param size bytes, a multiple of 4 */
  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.#words = new Uint32Array(this.bytes.buffer)
  }

  /** Bytes from the start that hold records. */
  get used(): number {
    return this.#used
  }

  get room(): number {
    return this.bytes.length - this.#used
  }

  /** Adds a record; the caller has made sure of the room, `recordBytes(body.length)`. */
  append(op: number, handle: number, id: number, param: number, body: Uint8Array): void {
    this.bytes.set(body, this.#used + OP_BYTES)
    this.#head(op, handle, id, param, body.length)
  }

  /** Adds a record whose body is UTF-8; the caller has made sure of the room, `recordBytes(3 * body.length)`. */
  appendText(op: number, handle: number, id: number, param: number, body: string): void {
    this.#head(op, handle, id, param, utf8Into(body, this.bytes.subarray(this.#used + OP_BYTES)))
  }

  clear(): void {
    this.#used = 0
  }

  #head(op: number, handle: number, id: number, param: number, length: number): void {
    const words = this.#words
    const at = this.#used >>> 2
    words[at] = op
    words[at + 1] = handle
    words[at + 2] = id
    words[at + 3] = param
    words[at + 4] = length
    this.#used += recordBytes(length)
  }
}

/** Walks packed datagrams: words `length`, then the bytes padded to 4. Answers views of `slab`. */
export function unpackDatagrams(slab: Bytes, start: number, end: number): Bytes[] {
  const view = new DataView(slab.buffer)
  const datagrams: Bytes[] = []
  for (let at = start; at < end; ) {
    const length = view.getUint32(at, true)
    datagrams.push(new Uint8Array(slab.buffer, at + 4, length))
    at += 4 + ((length + 3) & ~3)
  }
  return datagrams
}
