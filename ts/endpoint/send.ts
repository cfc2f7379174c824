// The sending half of a stream.
import type { WritableStream } from 'node:stream/web'
import { fromThrown, GaiwanError } from '../errors.js'
import { type Bytes, type BytesLike, EMPTY, readU64, utf8 } from '../wire/bytes.js'
import { code as checkCode, integer, isBytes, signalOf } from '../wire/check.js'
import { FINISH, WRITE } from '../wire/records.js'
import type { ConnectionCore } from './connection-core.js'
import { SendLease } from './lease.js'
import type { WaitOptions } from './options.js'
import { writableOf } from './web.js'

/** A write of at most this travels in the block. */
const SMALL = 4 * 1024
/** Bytes in a row that may travel in the block; then one write goes directly, since only that tells of back-pressure. */
const IN_ROW = 64 * 1024
const DONE = Promise.resolve()
const FRESH = -1

let make: (core: ConnectionCore, handle: number) => SendStream

/**
 * The sending half. Disposed or dropped without `finish` it is reset with code 0, never finished.
 *
 * @example
 * ```ts
 * const send = await connection.openUni()
 * await send.write('tea is ready')
 * await send.finish()
 * const code = await send.stopped // null: the peer has it all
 * ```
 */
export class SendStream implements AsyncDisposable {
  readonly #core: ConnectionCore
  readonly #lease: SendLease
  #ended: 'finished' | 'reset' | null = null
  /** The window of the last write, `FRESH` before the first. */
  #epoch = FRESH
  /** Bytes since the last direct write. */
  #inRow = 0
  /** Whether some write went directly: then it is a longer stream, whose `finish` should tell what became of it. */
  #direct = false
  #drained: Promise<void> | null = null
  #stopped: Promise<bigint | null> | null = null
  #writable: WritableStream<Uint8Array> | null = null

  static {
    make = (core, handle) => new SendStream(core, handle)
  }

  private constructor(core: ConnectionCore, handle: number) {
    this.#core = core
    this.#lease = new SendLease(handle, core.lease.halves)
    core.bridge.own(this, this.#lease)
  }

  get id(): bigint {
    this.#lease.id ??= this.#call((handle) => this.#core.bridge.loose.streamId(handle))
    return BigInt(this.#lease.id)
  }

  /**
   * All of it, in order; waits only for back-pressure. `data` may be reused when this returns the promise.
   * Codes: STREAM_STOPPED, STREAM_CLOSED. An abort resets the stream.
   */
  write(data: BytesLike, options?: WaitOptions): Promise<void> {
    try {
      const signal = options === undefined ? undefined : signalOf(options)
      if (typeof data !== 'string' && !isBytes(data)) throw new TypeError('data: expected a Uint8Array or a string')
      if (signal?.aborted) return Promise.reject(signal.reason)
      const { bridge } = this.#core
      const handle = this.#handle
      if (typeof this.#lease.stopped === 'bigint') throw stoppedError(this.#lease.stopped)
      const { length } = data
      if (length <= SMALL && (this.#epoch === FRESH || this.#epoch === bridge.epoch) && this.#inRow + length <= IN_ROW) {
        this.#inRow += length
        this.#epoch = bridge.epoch
        bridge.submit(WRITE, handle, 0, 0, data)
        return DONE
      }
      const over = bridge.direct.push(handle, typeof data === 'string' ? utf8(data) : data)
      this.#inRow = 0
      this.#direct = true
      bridge.touch()
      this.#epoch = bridge.epoch
      if (over === 0) return DONE
      return signal === undefined ? this.#waitDrained() : this.#waitWith(signal)
    } catch (error) {
      return Promise.reject(error instanceof TypeError ? error : fromThrown(error))
    }
  }

  /** Marks the end, behind what was written; `stopped` tells when the peer has it. Codes: STREAM_CLOSED. */
  finish(): Promise<void> {
    try {
      const { bridge } = this.#core
      const handle = this.#handle
      if (!this.#direct || this.#epoch === bridge.epoch) bridge.submit(FINISH, handle, 0, 0, EMPTY)
      else if (typeof this.#lease.stopped !== 'bigint') bridge.direct.finish(handle)
      this.#ended = 'finished'
      this.#lease.over = true
      return DONE
    } catch (error) {
      return Promise.reject(fromThrown(error))
    }
  }

  /** Gives up; the peer may lose what it has not read. Code 0 to 2^62 - 1 [0]. */
  reset(code: number | bigint = 0): void {
    const value = checkCode(code, 'code')
    const { bridge } = this.#core
    const { handle } = this.#lease
    if (handle === 0 || this.#ended === 'reset') return
    this.#rememberId()
    bridge.direct.reset(handle, value)
    this.#ended = 'reset'
    bridge.release(this.#lease)
  }

  /** Null once the peer acknowledged all bytes and the end, its code if it stopped reading. */
  get stopped(): Promise<bigint | null> {
    if (this.#stopped === null) {
      this.#stopped = this.#waitStopped()
      // Who looks and does not wait hears of a lost connection elsewhere.
      this.#stopped.catch(() => {})
    }
    return this.#stopped
  }

  /** Higher goes first, signed 32-bit [0]; can starve lower ones. */
  get priority(): number {
    return this.#call((handle) => this.#core.bridge.direct.priority(handle))
  }

  set priority(value: number) {
    const priority = checkPriority(value)
    this.#call((handle) => this.#core.bridge.direct.setPriority(handle, priority))
  }

  /** `abort` resets with the reason's `applicationCode` [0]. */
  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= writableOf(this)
    return this.#writable
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended === null) this.reset(0)
  }

  /** For what needs the stream unfinished. */
  get #handle(): number {
    if (this.#ended !== null) throw new GaiwanError('STREAM_CLOSED', `the stream was ${this.#ended}`)
    const { handle } = this.#lease
    if (handle === 0) throw this.#core.error
    return handle
  }

  #call<T>(run: (handle: number) => T): T {
    const { handle } = this.#lease
    if (handle === 0) throw this.#ended === 'reset' ? new GaiwanError('STREAM_CLOSED', 'the stream was reset') : this.#core.error
    try {
      return run(handle)
    } catch (error) {
      throw fromThrown(error)
    }
  }

  #rememberId(): void {
    const lease = this.#lease
    if (lease.id === null && lease.handle !== 0) lease.id = this.#core.bridge.direct.streamId(lease.handle)
  }

  /** One native call serves all writes that wait. Holds the stream: it must not be collected with a writer waiting. */
  #waitDrained(): Promise<void> {
    if (this.#drained === null) {
      const { handle } = this.#lease
      this.#drained = this.#core.bridge.call(
        (native, id) => native.waitDrained(id, handle),
        () => {},
        { keep: this },
      )
      const over = () => {
        this.#drained = null
      }
      this.#drained.then(over, over)
    }
    return this.#drained
  }

  #waitWith(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        reject(signal.reason)
        this.reset(0)
      }
      signal.addEventListener('abort', abort, { once: true })
      const done = () => signal.removeEventListener('abort', abort)
      this.#waitDrained().then(
        () => {
          done()
          resolve()
        },
        (error) => {
          done()
          reject(error)
        },
      )
    })
  }

  /** Does not hold the stream: one that is dropped unfinished must still be reset. */
  async #waitStopped(): Promise<bigint | null> {
    const lease = this.#lease
    if (lease.stopped !== undefined) return lease.stopped
    this.#rememberId()
    const { bridge } = this.#core
    const handle = this.#call((one) => one)
    return waitStopped(bridge, lease, handle)
  }
}

async function waitStopped(bridge: ConnectionCore['bridge'], lease: SendLease, handle: number): Promise<bigint | null> {
  const code = await bridge.call((native, id) => native.waitStopped(id, handle), maybeCode)
  lease.stopped = code
  if (lease.over) bridge.release(lease)
  return code
}

function stoppedError(applicationCode: bigint): GaiwanError {
  return new GaiwanError('STREAM_STOPPED', `the peer stopped reading with code ${applicationCode}`, { applicationCode })
}

/** Null, or a code in the body. */
export function maybeCode(aux: number, body: Bytes): bigint | null {
  return aux === 0 ? null : readU64(body)
}

export function checkPriority(value: number): number {
  return integer(value, 'priority', -(2 ** 31), 2 ** 31 - 1)
}

export function makeSend(core: ConnectionCore, handle: number): SendStream {
  return make(core, handle)
}
