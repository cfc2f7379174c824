// The state of one call at one side: two halves that end on their own. Pure; whoever moves bytes asks it what they mean.
import { markError, type RpcError, rpcError } from './errors.js'
import type { Kind } from './plan.js'

/** How the native core says that an incoming half is over: `docs/design/boundary.md`, `readFrames`. */
export const FIN = 0
export const TRUNCATED = -2
export const MALFORMED = -3
export const TOO_LONG = -4
/** An abort mark with code n is this less n. */
export const MARK = -16

/** The half that comes in: of so many values, then its end. */
export class Incoming {
  readonly #kind: Kind
  readonly #method: string
  /** What an end without the one value means. */
  readonly #missing: 'RPC_NO_RESPONSE' | 'RPC_TRUNCATED'
  #count = 0
  #over = false

  constructor(kind: Kind, method: string, side: 'answers' | 'updates') {
    this.#kind = kind
    this.#method = method
    this.#missing = side === 'answers' ? 'RPC_NO_RESPONSE' : 'RPC_TRUNCATED'
  }

  /** No value is welcome any more. */
  get over(): boolean {
    return this.#over
  }

  /** A value has come: null if it is welcome. One that is too many ends the half: the reference fails there too. */
  value(): RpcError | null {
    this.#count++
    if (this.#kind === 'many' || (this.#kind === 'one' && this.#count === 1)) return null
    this.#over = true
    return rpcError('RPC_DECODE', this.#method, 'bytes follow the only message')
  }

  /** The half has ended: null if that was well. */
  end(how: number): RpcError | null {
    this.#over = true
    if (how === FIN) return this.#kind === 'one' && this.#count === 0 ? rpcError(this.#missing, this.#method) : null
    if (how <= MARK) return markError(MARK - how, this.#method)
    if (how === TOO_LONG) return rpcError('RPC_TOO_LARGE', this.#method)
    return how === MALFORMED ? rpcError('RPC_DECODE', this.#method, 'a length is malformed') : rpcError('RPC_TRUNCATED', this.#method)
  }

  /**
   * The only value from all bytes of a half: where its payload starts and ends, or why there is none.
   */
  only(bytes: Uint8Array): RpcError | { readonly start: number; readonly end: number } {
    if (bytes.length === 0) return this.end(FIN) as RpcError
    if (bytes.length === 1 && (bytes[0] as number) > 0x7f) return this.end(MARK - ((bytes[0] as number) & 0x7f)) as RpcError
    const head = prefixLength(bytes, 0)
    if (head < 0) return this.end(head) as RpcError
    const length = prefixValue(bytes, 0, head)
    if (bytes.length < head + length) return this.end(TRUNCATED) as RpcError
    if (bytes.length > head + length) {
      this.#count = 1
      return this.value() as RpcError
    }
    this.#over = true
    return { start: head, end: head + length }
  }
}

/** Bytes of a prefix that whoever cut the frames has checked; negative: how a half ends that has no whole one. */
export function prefixLength(bytes: Uint8Array, at: number): number {
  for (let n = 0; n < 10; n++) {
    const byte = bytes[at + n]
    if (byte === undefined) return TRUNCATED
    if (n === 9 && byte > 1) return MALFORMED
    if (byte < 0x80) return n + 1
  }
  return MALFORMED
}

/** The length that a prefix of `head` bytes says. */
export function prefixValue(bytes: Uint8Array, at: number, head: number): number {
  let value = 0
  let factor = 1
  for (let n = 0; n < head; n++) {
    value += ((bytes[at + n] as number) & 0x7f) * factor
    factor *= 128
  }
  return value
}

/** The half that goes out. */
export class Outgoing {
  #state: 'open' | 'finished' | 'aborted' | 'stopped' = 'open'

  get open(): boolean {
    return this.#state === 'open'
  }

  get state(): 'open' | 'finished' | 'aborted' | 'stopped' {
    return this.#state
  }

  /** Whether there is an end to write: once. */
  finish(): boolean {
    return this.#to('finished')
  }

  /** Whether there is a mark to write: once, and not behind an end. */
  abort(): boolean {
    return this.#to('aborted')
  }

  /** The peer reads no more, or the connection is gone. */
  stop(): boolean {
    return this.#to('stopped')
  }

  #to(state: 'finished' | 'aborted' | 'stopped'): boolean {
    if (this.#state !== 'open') return false
    this.#state = state
    return true
  }
}
