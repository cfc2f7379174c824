// Streams of the peer on their way to whoever accepts them.
import type { GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import type { Sink } from './call.js'
import type { ConnectionCore } from './connection-core.js'

interface Waiter<T> {
  readonly resolve: (stream: T | null) => void
  readonly reject: (reason: unknown) => void
  unlisten(): void
}

/** Streams of one direction. Those that nobody took yet wait here; how many is bounded by what the peer was granted. */
export class StreamQueue<T> {
  readonly #core: ConnectionCore
  readonly #make: (core: ConnectionCore, handle: number) => T
  readonly #ready: T[] = []
  readonly #waiters: Waiter<T>[] = []
  readonly #sink: StreamSink<T>
  /** Null while more may come; then what ends the wait. */
  #over: { readonly error: GaiwanError | null } | null = null

  constructor(core: ConnectionCore, isBi: boolean, make: (core: ConnectionCore, handle: number) => T) {
    this.#core = core
    this.#make = make
    this.#sink = new StreamSink(this, core, isBi)
    const { bridge, lease } = core
    if (lease.handle === 0) {
      this.end(core.endedWell ? null : core.error)
      return
    }
    const sub = bridge.nextId()
    bridge.direct.acceptStreams(lease.handle, sub, isBi)
    bridge.listen(sub, this.#sink)
    lease.subs.add(sub)
    this.#sink.sub = sub
  }

  /** The next stream, null once either application closed; rejects when the connection was lost. */
  next(signal?: AbortSignal): Promise<T | null> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const stream = this.#ready.shift()
    if (stream !== undefined) return Promise.resolve(stream)
    if (this.#over !== null) return this.#over.error === null ? Promise.resolve(null) : Promise.reject(this.#over.error)
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        this.#settled(waiter)
        reject(signal?.reason)
      }
      const waiter = { resolve, reject, unlisten: () => signal?.removeEventListener('abort', abort) }
      signal?.addEventListener('abort', abort)
      this.#waiters.push(waiter)
      this.#sink.strong = this.#core
    })
  }

  /** Streams one after the other. Leaving early loses none: the next `accept` has them. */
  iterate(): AsyncIterable<T> {
    const next = async (): Promise<IteratorResult<T, undefined>> => {
      const stream = await this.next()
      return stream === null ? { value: undefined, done: true } : { value: stream, done: false }
    }
    return {
      [Symbol.asyncIterator]: () => ({ next, return: () => Promise.resolve({ value: undefined, done: true }) }),
    }
  }

  add(handle: number): void {
    const stream = this.#make(this.#core, handle)
    const waiter = this.#waiters.shift()
    if (waiter === undefined) {
      this.#ready.push(stream)
      return
    }
    this.#settled(waiter)
    waiter.resolve(stream)
  }

  end(error: GaiwanError | null): void {
    this.#over = { error }
    for (const waiter of this.#waiters.splice(0)) {
      this.#settled(waiter)
      if (error === null) waiter.resolve(null)
      else waiter.reject(error)
    }
  }

  #settled(waiter: Waiter<T>): void {
    waiter.unlisten()
    if (this.#waiters.length === 0) this.#sink.strong = null
  }
}

/** Takes the records. Holds the connection only while somebody waits, so that a forgotten one can be collected. */
class StreamSink<T> implements Sink {
  sub = 0
  /** Set while somebody waits. */
  strong: ConnectionCore | null = null
  readonly #queue: WeakRef<StreamQueue<T>>
  readonly #core: WeakRef<ConnectionCore>
  readonly #isBi: boolean
  readonly #release: (handle: number) => void

  constructor(queue: StreamQueue<T>, core: ConnectionCore, isBi: boolean) {
    const { bridge } = core
    this.#queue = new WeakRef(queue)
    this.#core = new WeakRef(core)
    this.#isBi = isBi
    this.#release = (handle) => bridge.releaseHandle(handle)
  }

  take(handle: number, _: Bytes): void {
    const queue = this.#queue.deref()
    if (queue !== undefined) {
      queue.add(handle)
      return
    }
    this.#release(handle)
    if (this.#isBi) this.#release(handle + 1)
  }

  end(error: GaiwanError | null): void {
    const core = this.#core.deref()
    core?.lease.subs.delete(this.sub)
    // Learns how it ended, so that native state can go.
    void core?.closeInfo
    this.#queue.deref()?.end(error)
  }
}
