// The sending half of a stream as values: small frames are collected, and back-pressure is the peer's.
import type { ConnectionCore } from '../endpoint/connection-core.js'
import { SendLease } from '../endpoint/lease.js'
import { maybeCode } from '../endpoint/send.js'
import { fromThrown, GaiwanError } from '../errors.js'
import { EMPTY } from '../wire/bytes.js'
import type { AnyCodec } from '../wire/postcard/codec.js'
import { encodeFrame, type FrameOptions } from '../wire/postcard/message.js'
import { FINISH, WRITE } from '../wire/records.js'
import { Writer } from '../wire/writer.js'
import { Outgoing } from './call.js'
import { encodeFailure, rpcError, transportError } from './errors.js'
import type { Sender } from './half.js'

/** Bytes that are collected before they are written. */
const BATCH = 16 * 1024
/** A write of at most this travels in the block. */
const SMALL = 4 * 1024
/** Bytes in a row without a look at the queue; and then one turn of the event loop, so that others get theirs. */
const IN_ROW = 64 * 1024

export interface OutboundOptions {
  readonly codec: AnyCodec
  readonly max: number
  readonly method: string
  readonly where: string
  /** How long an abort may take to leave before it becomes a reset. */
  readonly graceMs: number
  /** Bytes of the request before: if not even these have left by then, the connection is tainted. */
  readonly requestBytes: number
}

/** Frames are written whole or not at all. */
export class Outbound implements Sender {
  readonly state = new Outgoing()
  /** Called once nothing more will be sent. */
  onOver: (() => void) | null = null
  readonly #core: ConnectionCore
  readonly #lease: SendLease
  readonly #options: OutboundOptions
  readonly #frame: FrameOptions
  #writer: Writer | null = null
  #due = false
  #sinceLook = 0
  #sinceTurn = 0
  #full: Promise<void> | null = null
  #ending: Promise<bigint | null> | null = null
  #stopped: Promise<void> | null = null
  #error: unknown = null

  constructor(core: ConnectionCore, handle: number, options: OutboundOptions) {
    this.#core = core
    this.#lease = new SendLease(handle, core.lease.halves)
    this.#options = options
    this.#frame = { max: options.max, where: options.where }
  }

  get open(): boolean {
    return this.state.open
  }

  get full(): boolean {
    return this.#full !== null
  }

  push(value: unknown): Promise<void> | undefined {
    if (!this.state.open) throw this.#error ?? transportError(this.#core.error, this.#options.method)
    const { codec, method } = this.#options
    this.#writer ??= new Writer()
    const writer = this.#writer
    try {
      encodeFrame(codec, value as never, writer, this.#frame)
    } catch (error) {
      throw encodeFailure(error, method)
    }
    if (writer.length < BATCH) {
      if (!this.#due) {
        this.#due = true
        // Behind the microtasks of now: a generator that has more gets its chance.
        process.nextTick(this.#later)
      }
      return this.#full ?? undefined
    }
    this.#flush()
    if (this.#full !== null) return this.#full
    if (this.#sinceTurn < IN_ROW) return undefined
    this.#sinceTurn = 0
    return turn()
  }

  finish(): void {
    if (!this.state.open) return
    this.#flush()
    if (!this.state.finish()) return
    this.onOver?.()
    const { bridge } = this.#core
    const { handle } = this.#lease
    if (handle === 0) return
    bridge.submit(FINISH, handle, 0, 0, EMPTY)
    // It leaves behind what was written, with or without its handle.
    bridge.release(this.#lease)
  }

  abort(code: number): void {
    if (!this.state.open) return
    this.#flush()
    if (!this.state.abort()) return
    this.onOver?.()
    const { graceMs, requestBytes } = this.#options
    const handle = this.#takeHandle()
    if (handle !== 0) this.#core.bridge.direct.framedAbort(handle, code, graceMs, requestBytes)
  }

  get stopped(): Promise<void> {
    this.#stopped ??= this.#watch()
    return this.#stopped
  }

  get arrived(): Promise<void> {
    return this.#end.then(
      (code) => {
        // The reference stops what it has read to its end with code 0.
        if (code !== null && code !== 0n) throw fromStop(code, this.#options.method)
      },
      (error) => {
        throw transportError(error, this.#options.method)
      },
    )
  }

  /** Null once all has arrived, or the code of a stop. */
  get #end(): Promise<bigint | null> {
    if (this.#ending === null) {
      const { handle } = this.#lease
      this.#ending =
        handle === 0 ? Promise.reject(this.#core.error) : this.#core.bridge.call((native, id) => native.waitStopped(id, handle), maybeCode)
      this.#ending.catch(() => {})
    }
    return this.#ending
  }

  /** Nothing more can be sent: the peer reads no more, or the connection is gone. */
  #stop(error: unknown): void {
    if (!this.state.stop()) return
    this.#error = error
    this.onOver?.()
    this.#writer = null
    this.#core.bridge.release(this.#lease)
  }

  /** The native core uses the handle up. */
  #takeHandle(): number {
    const { handle } = this.#lease
    this.#lease.handle = 0
    this.#lease.list?.delete(this.#lease)
    return handle
  }

  readonly #later = (): void => {
    this.#due = false
    if (this.state.open) this.#flush()
  }

  #flush(): void {
    const writer = this.#writer
    if (writer === null || writer.length === 0) return
    const { bridge } = this.#core
    const { handle } = this.#lease
    const bytes = writer.view()
    try {
      if (handle === 0) throw this.#core.error
      if (bytes.length <= SMALL && this.#sinceLook + bytes.length <= IN_ROW) {
        this.#sinceLook += bytes.length
        bridge.submit(WRITE, handle, 0, 0, bytes)
      } else {
        this.#sinceLook = 0
        if (bridge.direct.push(handle, bytes) !== 0) this.#waitDrained(handle)
      }
      this.#sinceTurn += bytes.length
      writer.clear()
    } catch (thrown) {
      this.#stop(transportError(GaiwanError.is(thrown) ? thrown : fromThrown(thrown), this.#options.method))
    }
  }

  #waitDrained(handle: number): void {
    this.#full ??= this.#core.bridge
      .call(
        (native, id) => native.waitDrained(id, handle),
        () => {},
      )
      .then(
        () => {
          this.#full = null
          this.#sinceTurn = 0
        },
        (error) => {
          this.#full = null
          this.#stop(transportError(error, this.#options.method))
        },
      )
  }

  async #watch(): Promise<void> {
    let error: unknown
    try {
      const code = await this.#end
      // All of it has arrived.
      if (code === null) return new Promise(() => {})
      error = fromStop(code, this.#options.method)
    } catch (thrown) {
      error = transportError(thrown, this.#options.method)
    }
    this.#stop(error)
  }
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function fromStop(applicationCode: bigint, method: string): Error {
  return rpcError('STREAM_STOPPED', method, 'the peer reads no more', { applicationCode })
}
