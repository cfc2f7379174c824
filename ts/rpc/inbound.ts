// The receiving half of a stream as values: batches of frames cross, one frame after the other is decoded.
import type { Sink } from '../endpoint/call.js'
import type { ConnectionCore } from '../endpoint/connection-core.js'
import { Lease } from '../endpoint/lease.js'
import { fromThrown, GaiwanError } from '../errors.js'
import { allocate, type Bytes, EMPTY } from '../wire/bytes.js'
import { type AnyCodec, coderOf } from '../wire/postcard/codec.js'
import { Reader } from '../wire/reader.js'
import { decodeError } from '../wire/failure.js'
import { type Incoming, prefixLength, prefixValue } from './call.js'
import { decodeFailure, transportError } from './errors.js'
import { DONE, type Next, type Receiver } from './half.js'

const LATER = -1

/** Reads nothing ahead but the batch in hand. */
export class Inbound implements Receiver, Sink {
  readonly #core: ConnectionCore
  readonly #lease: Lease
  readonly #codec: ReturnType<typeof coderOf>
  readonly #method: string
  readonly #where: string
  readonly #state: Incoming
  #batch: Bytes = EMPTY
  #at = 0
  #end = 0
  #call = 0
  #resolve: ((next: Next) => void) | null = null
  #reject: ((reason: unknown) => void) | null = null
  #waiting: Promise<Next> | null = null
  /** What `next` rejects with once all is over. */
  #error: unknown = null
  #failed = false
  #over = false
  readonly #onEnd: ((error: unknown) => void) | null

  /** @param onEnd called once, with null or why it ended badly */
  constructor(
    core: ConnectionCore,
    handle: number,
    codec: AnyCodec,
    method: string,
    where: string,
    state: Incoming,
    onEnd: ((error: unknown) => void) | null = null,
  ) {
    this.#core = core
    this.#lease = new Lease(handle, core.lease.halves)
    this.#codec = coderOf(codec as never, 'codec')
    this.#method = method
    this.#where = where
    this.#state = state
    this.#onEnd = onEnd
  }

  next(): Promise<Next> {
    if (this.#at < this.#end) {
      try {
        return Promise.resolve({ done: false, value: this.#take() })
      } catch (error) {
        this.#finish(error)
        return Promise.reject(error)
      }
    }
    if (this.#over) return this.#failed ? Promise.reject(this.#error) : Promise.resolve(DONE)
    // Asked again before the last one is settled: in turn.
    const before = this.#waiting
    if (before !== null) {
      const later = () => this.next()
      return before.then(later, later)
    }
    this.#waiting = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const waiting = this.#waiting
    this.#advance()
    return waiting
  }

  close(): void {
    if (this.#over) return
    this.#finish(null)
    this.#settle(DONE)
  }

  fail(error: unknown): void {
    if (this.#over) return
    this.#finish(error)
    this.#refuse(error)
  }

  /** There may be frames now. */
  take(): void {
    this.#call = 0
    if (!this.#over) this.#advance()
  }

  end(error: GaiwanError | null): void {
    this.#call = 0
    this.fail(transportError(error, this.#method))
  }

  /** Settles who waits, now or with the next wake. */
  #advance(): void {
    const { bridge } = this.#core
    try {
      const { handle } = this.#lease
      // The connection went and took the handle.
      if (handle === 0) throw this.#core.error
      const call = bridge.nextId()
      let read = bridge.loose.readFrames(handle, bridge.scratch, call)
      if (read === LATER) {
        this.#call = call
        bridge.listen(call, this)
        return
      }
      if (read > bridge.scratch.length) {
        this.#batch = allocate(read)
        read = bridge.loose.readFrames(handle, this.#batch, call)
      } else if (read > 0) this.#batch = bridge.handOut(read)
      if (read > 0) {
        this.#at = 0
        this.#end = read
        this.#settle({ done: false, value: this.#take() })
        return
      }
      const error = this.#state.end(read)
      this.#finish(error)
      if (error === null) this.#settle(DONE)
      else this.#refuse(error)
    } catch (thrown) {
      const error = transportError(GaiwanError.is(thrown) ? thrown : fromThrown(thrown), this.#method)
      this.#finish(error)
      this.#refuse(error)
    }
  }

  #settle(next: Next): void {
    this.#waiting = null
    this.#resolve?.(next)
  }

  #refuse(error: unknown): void {
    this.#waiting = null
    this.#reject?.(error)
  }

  /** The next value of the batch in hand. */
  #take(): unknown {
    const excess = this.#state.value()
    if (excess !== null) throw excess
    const batch = this.#batch
    const head = prefixLength(batch, this.#at)
    const start = this.#at + head
    const end = start + prefixValue(batch, this.#at, head)
    this.#at = end
    try {
      return this.#codec.read(new Reader(batch, start, end))
    } catch (thrown) {
      throw decodeFailure(decodeError(thrown, this.#where), this.#method)
    } finally {
      if (end === this.#end) this.#batch = EMPTY
    }
  }

  #finish(error: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#failed = error !== null
    this.#error = error
    this.#batch = EMPTY
    this.#at = this.#end = 0
    const { bridge } = this.#core
    if (this.#call !== 0) bridge.forget(this.#call)
    bridge.release(this.#lease)
    this.#onEnd?.(error)
  }
}
