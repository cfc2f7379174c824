// Datagrams of the peer on their way to whoever reads them.
import type { GaiwanError } from '../errors.js'
import { allocate, type Bytes, EMPTY } from '../wire/bytes.js'
import { unpackDatagrams } from '../wire/records.js'
import type { Sink } from './call.js'
import type { ConnectionCore } from './connection-core.js'

/** Memory that datagrams are packed into. */
const SLAB_BYTES = 128 * 1024
/** The largest datagram that UDP could carry, its length word and padding. */
const MOST = 65_536 + 8

/** Received datagrams. They wait natively, where a limit drops the oldest, until somebody reads. */
export class DatagramQueue {
  readonly #core: ConnectionCore
  readonly #sink: DatagramSink
  readonly #waiters: Array<{ resolve(result: IteratorResult<Bytes, undefined>): void; reject(reason: unknown): void }> = []
  #ready: Bytes[] = []
  #next = 0
  #slab = EMPTY
  #used = 0
  #over: { readonly error: GaiwanError | null } | null = null

  constructor(core: ConnectionCore) {
    this.#core = core
    this.#sink = new DatagramSink(this, core)
    const { bridge, lease } = core
    if (lease.handle === 0) {
      this.end(core.endedWell ? null : core.error)
      return
    }
    const sub = bridge.nextId()
    bridge.direct.datagrams(lease.handle, sub)
    bridge.listen(sub, this.#sink)
    lease.subs.add(sub)
    this.#sink.sub = sub
  }

  iterate(): AsyncIterable<Bytes> {
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => this.next(),
        return: () => Promise.resolve({ value: undefined, done: true }),
      }),
    }
  }

  next(): Promise<IteratorResult<Bytes, undefined>> {
    const value = this.#take()
    if (value !== undefined) return Promise.resolve({ value, done: false })
    if (this.#over !== null) {
      return this.#over.error === null ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(this.#over.error)
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#sink.strong = this.#core
    })
  }

  /** Some wait natively. */
  news(): void {
    while (this.#waiters.length > 0) {
      const value = this.#take()
      if (value === undefined) break
      this.#waiters.shift()?.resolve({ value, done: false })
    }
    if (this.#waiters.length === 0) this.#sink.strong = null
  }

  end(error: GaiwanError | null): void {
    this.news()
    // The rest is taken now, since ending the subscription drops it.
    const rest = this.#ready.slice(this.#next)
    while (this.#fill()) rest.push(...this.#ready)
    this.#ready = rest
    this.#next = 0
    this.#over = { error }
    for (const { resolve, reject } of this.#waiters.splice(0)) {
      if (error === null) resolve({ value: undefined, done: true })
      else reject(error)
    }
    this.#sink.strong = null
  }

  #take(): Bytes | undefined {
    if (this.#next === this.#ready.length && (this.#over !== null || !this.#fill())) return undefined
    return this.#ready[this.#next++]
  }

  /** Takes a batch from the native queue; false if there is none. */
  #fill(): boolean {
    const { sub } = this.#sink
    if (sub === 0) return false
    if (this.#slab.length - this.#used < MOST) {
      this.#slab = allocate(SLAB_BYTES)
      this.#used = 0
    }
    const start = this.#used
    const used = this.#core.bridge.loose.takeDatagrams(sub, this.#slab.subarray(start))
    this.#used += used
    this.#ready = unpackDatagrams(this.#slab, start, start + used)
    this.#next = 0
    return used > 0
  }
}

/** Takes the records. Holds the connection only while somebody waits. */
class DatagramSink implements Sink {
  sub = 0
  strong: ConnectionCore | null = null
  readonly #queue: WeakRef<DatagramQueue>
  readonly #core: WeakRef<ConnectionCore>

  constructor(queue: DatagramQueue, core: ConnectionCore) {
    this.#queue = new WeakRef(queue)
    this.#core = new WeakRef(core)
  }

  take(): void {
    this.#queue.deref()?.news()
  }

  end(error: GaiwanError | null): void {
    const core = this.#core.deref()
    this.#queue.deref()?.end(error)
    if (core === undefined) return
    core.lease.subs.delete(this.sub)
    // Natively the queue stays until it is cancelled.
    core.bridge.cancel(this.sub)
    void core.closeInfo
  }
}
