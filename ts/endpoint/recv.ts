// The receiving half of a stream.
import type { ReadableStream } from 'node:stream/web'
import { endedEarly, fromThrown, GaiwanError } from '../errors.js'
import { allocate, type Bytes, EMPTY } from '../wire/bytes.js'
import { code as checkCode, integer, isBytes, MAX_U32, signalOf } from '../wire/check.js'
import { READ_TO_END } from '../wire/records.js'
import { READ_BYTES } from './bridge.js'
import type { ConnectionCore } from './connection-core.js'
import { Lease } from './lease.js'
import type { WaitOptions } from './options.js'
import { PENDING, type Poll, ReadQueue } from './read-queue.js'
import { maybeCode } from './send.js'
import { readableOf } from './web.js'

/** The longest read into memory of its own. */
const MAX_EXACT = 2 ** 31 - 1

let make: (core: ConnectionCore, handle: number) => RecvStream

/**
 * The receiving half. Leaving a `for await` early stops it with code 0.
 *
 * @example
 * ```ts
 * const recv = await connection.acceptUni()
 * if (recv) for await (const chunk of recv) process.stdout.write(chunk)
 * ```
 */
export class RecvStream implements AsyncIterable<Bytes>, AsyncDisposable {
  readonly #core: ConnectionCore
  readonly #lease: Lease
  readonly #reads: ReadQueue
  /** What every later read meets: null is the end. */
  #over: { readonly error: GaiwanError | null } | null = null
  #bytesRead = 0
  #id: number | null = null
  #early: boolean | null = null
  #reset: ResetWatch | null = null
  #readable: ReadableStream<Bytes> | null = null

  static {
    make = (core, handle) => new RecvStream(core, handle)
  }

  private constructor(core: ConnectionCore, handle: number) {
    this.#core = core
    this.#lease = new Lease(handle, core.lease.halves)
    // While the acceptor does not know its peer, whatever comes may be a replay.
    if (core.facts.early && core.facts.side === 'server') this.#early = true
    this.#reads = new ReadQueue(core.bridge, (failure) => {
      if (failure === null) this.#watchReset()
      else if (this.#over === null) this.#end(failure, failure)
    })
    core.bridge.own(this, this.#lease)
  }

  get id(): bigint {
    this.#id ??= this.#core.bridge.loose.streamId(this.#handle)
    return BigInt(this.#id)
  }

  /** Some bytes, at least one; null at the end [64 KiB]. Codes: STREAM_RESET. */
  read(maxBytes: number = READ_BYTES, options?: WaitOptions): Promise<Bytes | null> {
    try {
      const max = Math.min(integer(maxBytes, 'maxBytes', 1, Number.MAX_SAFE_INTEGER), READ_BYTES)
      return this.#run(() => this.#take(max), signalOf(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Fills a part of `target`; how much, 0 at the end. The fast path: no new memory. */
  readInto(target: Uint8Array, options?: WaitOptions): Promise<number> {
    try {
      if (!isBytes(target)) throw new TypeError('target: expected a Uint8Array')
      if (target.length === 0) throw new RangeError('target: expected room for at least one byte')
      return this.#run(() => this.#poll(target), signalOf(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Codes: STREAM_ENDED_EARLY. */
  readExact(length: number, options?: WaitOptions): Promise<Bytes> {
    try {
      const signal = signalOf(options)
      if (integer(length, 'length', 0, MAX_EXACT) === 0) return Promise.resolve(new Uint8Array(0))
      const whole = allocate(length)
      let at = 0
      return this.#run(() => {
        while (at < length) {
          const n = this.#poll(at === 0 ? whole : whole.subarray(at))
          if (n === PENDING) return PENDING
          if (n === 0) throw endedEarly(length, at)
          at += n
        }
        return whole
      }, signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Codes: STREAM_TOO_LONG. */
  readToEnd(maxBytes: number, options?: WaitOptions): Promise<Bytes> {
    try {
      const max = Math.min(integer(maxBytes, 'maxBytes', 0, Number.MAX_SAFE_INTEGER), MAX_U32)
      return this.#run(this.#wholeTo(max), signalOf(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Bytes, undefined, undefined> {
    return {
      next: () =>
        this.#run<IteratorResult<Bytes, undefined>>(() => {
          const value = this.#take(READ_BYTES)
          if (value === PENDING) return PENDING
          return value === null ? { value: undefined, done: true } : { value, done: false }
        }, undefined),
      return: () => {
        this.stop(0)
        return Promise.resolve({ value: undefined, done: true })
      },
    }
  }

  /** Tells the peer to send no more. Code 0 to 2^62 - 1 [0]. */
  stop(code: number | bigint = 0): void {
    const value = checkCode(code, 'code')
    if (this.#over !== null || this.#lease.handle === 0) return
    this.#core.bridge.direct.stop(this.#lease.handle, value)
    const error = new GaiwanError('STREAM_CLOSED', 'the stream was stopped')
    this.#end(error, null)
    this.#reads.fail(error)
  }

  /** A Web byte stream, BYOB readers too. */
  get readable(): ReadableStream<Bytes> {
    this.#readable ??= readableOf(this)
    return this.#readable
  }

  /** Came before the handshake was done. */
  get isEarly(): boolean {
    this.#early ??= this.#core.bridge.loose.isEarly(this.#handle)
    return this.#early
  }

  get bytesRead(): bigint {
    return BigInt(this.#bytesRead)
  }

  /** The code if the peer resets, null if the stream ends well. */
  get resetReceived(): Promise<bigint | null> {
    if (this.#reset === null) {
      this.#reset = new ResetWatch(this.#core, this)
      if (this.#over !== null) this.#reset.settle(this.#over.error)
      else if (this.#lease.handle === 0) this.#reset.settle(this.#core.error)
      else this.#watchReset()
    }
    return this.#reset.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop(0)
  }

  get #handle(): number {
    const { handle } = this.#lease
    if (handle === 0) throw this.#over?.error ?? this.#core.error
    return handle
  }

  #run<T>(attempt: (body: Bytes | null) => Poll<T>, signal: AbortSignal | undefined): Promise<T> {
    const result = this.#reads.run(attempt, signal)
    if (this.#reads.waits && this.#reset?.disarm()) this.#nudgeLater()
    return result
  }

  /** The watch may have taken the waker before it heard of its end; once that is certain, the read registers again. */
  #nudgeLater(): void {
    const { handle } = this.#core.lease
    // Any call will do: the native core takes them in order.
    const order = this.#core.bridge.call(
      (native, id) => native.earlyAccepted(id, handle),
      () => {},
    )
    const again = () => this.#reads.nudge()
    order.then(again, again)
  }

  /** A QUIC stream wakes one task only, so the watch for a reset steps aside while a read waits. */
  #watchReset(): void {
    const { handle } = this.#lease
    if (this.#over === null && handle !== 0 && !this.#reads.waits) this.#reset?.arm(handle)
  }

  /** Reads what is there into `target`: bytes, 0 at the end, or PENDING and then a record for the queue's id. */
  #poll(target: Uint8Array): Poll<number> {
    if (this.#over !== null) {
      if (this.#over.error !== null) throw this.#over.error
      return 0
    }
    if (this.#lease.handle === 0) {
      const { error } = this.#core
      this.#end(error, error)
      throw error
    }
    if (target.length === 0) throw new TypeError('target: its memory was taken away while the read waited')
    let n: number
    try {
      n = this.#core.bridge.loose.readInto(this.#lease.handle, target, this.#reads.nextId())
    } catch (thrown) {
      const error = fromThrown(thrown)
      this.#end(error, error)
      throw error
    }
    if (n > 0) this.#bytesRead += n
    else if (n === 0) this.#end(null, null)
    else return PENDING
    return n
  }

  #take(max: number): Poll<Bytes | null> {
    const { bridge } = this.#core
    const n = this.#poll(max === READ_BYTES ? bridge.scratch : bridge.scratch.subarray(0, max))
    if (n === PENDING) return PENDING
    return n === 0 ? null : bridge.handOut(n)
  }

  /** Reads to the end in one native call, that travels with the block. */
  #wholeTo(max: number): (body: Bytes | null) => Poll<Bytes> {
    let asked = false
    return (body) => {
      if (body !== null) {
        this.#bytesRead += body.length
        this.#end(null, null)
        return body
      }
      if (this.#over !== null) {
        if (this.#over.error !== null) throw this.#over.error
        return EMPTY
      }
      if (!asked) {
        asked = true
        this.#core.bridge.submit(READ_TO_END, this.#handle, this.#reads.nextId(), max, EMPTY)
      }
      return PENDING
    }
  }

  /** The stream is over: what is asked later is answered here, and the native half can go. */
  #end(error: GaiwanError | null, reset: GaiwanError | null): void {
    const { bridge, wasEarly, facts } = this.#core
    const { handle } = this.#lease
    this.#over = { error }
    if (handle !== 0) {
      this.#id ??= bridge.loose.streamId(handle)
      // Only these can have come early.
      if (this.#early === null) this.#early = wasEarly || facts.side === 'server' ? bridge.loose.isEarly(handle) : false
      bridge.release(this.#lease)
    }
    this.#reset?.settle(reset)
  }
}

/** The promise behind `resetReceived`. */
class ResetWatch {
  readonly promise: Promise<bigint | null>
  readonly #core: ConnectionCore
  readonly #keep: object
  #resolve!: (code: bigint | null) => void
  #reject!: (error: GaiwanError) => void
  #abort: AbortController | null = null

  constructor(core: ConnectionCore, keep: object) {
    this.#core = core
    this.#keep = keep
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Who looks and does not wait hears of a lost connection by its reads.
    this.promise.catch(() => {})
  }

  /** Asks natively. */
  arm(handle: number): void {
    if (this.#abort !== null) return
    const abort = new AbortController()
    this.#abort = abort
    this.#core.bridge
      .call((native, id) => native.waitReset(id, handle), maybeCode, { signal: abort.signal, keep: this.#keep })
      .then(this.#resolve, (error) => {
        if (!abort.signal.aborted) this.settle(error)
      })
  }

  /** Whether it was armed. */
  disarm(): boolean {
    const armed = this.#abort !== null
    this.#abort?.abort()
    this.#abort = null
    return armed
  }

  /** Null: the stream ended well or was stopped by us. */
  settle(error: GaiwanError | null): void {
    this.disarm()
    if (error === null || error.code === 'STREAM_CLOSED') this.#resolve(null)
    else if (error.code === 'STREAM_RESET') this.#resolve(error.applicationCode ?? 0n)
    else this.#reject(error)
  }
}

export function makeRecv(core: ConnectionCore, handle: number): RecvStream {
  return make(core, handle)
}
