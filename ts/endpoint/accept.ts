// Attempts on their way to whoever accepts them.
import type { Bytes } from '../wire/bytes.js'
import type { EndpointCore } from './endpoint-core.js'
import { type Incoming, makeIncoming } from './incoming.js'

interface Waiter {
  readonly resolve: (incoming: Incoming | null) => void
  unlisten(): void
}

/** Gives each attempt to one of those who wait. One whose wait was cancelled loses no attempt: the next one gets it. */
export class AcceptQueue {
  readonly #endpoint: EndpointCore
  readonly #waiters: Waiter[] = []
  readonly #ready: Incoming[] = []
  /** Native calls under way; never fewer than waiters. */
  #asking = 0
  #over = false

  constructor(endpoint: EndpointCore) {
    this.#endpoint = endpoint
  }

  /** The next attempt, null once closed. */
  next(signal: AbortSignal | undefined): Promise<Incoming | null> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#over) return Promise.resolve(null)
    const incoming = this.#ready.shift()
    if (incoming !== undefined) return Promise.resolve(incoming)
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        waiter.unlisten()
        reject(signal?.reason)
      }
      const waiter = { resolve, unlisten: () => signal?.removeEventListener('abort', abort) }
      signal?.addEventListener('abort', abort)
      this.#waiters.push(waiter)
      if (this.#asking < this.#waiters.length) this.#ask()
    })
  }

  /** Everyone who waits gets null; attempts that nobody took are refused. */
  close(): void {
    this.#over = true
    for (const waiter of this.#waiters.splice(0)) this.#give(waiter, null)
    for (const incoming of this.#ready.splice(0)) incoming.refuse()
  }

  #ask(): void {
    this.#asking++
    const { bridge, handle } = this.#endpoint
    bridge
      .call(
        (native, id) => native.nextIncoming(id, handle),
        (attempt, facts) => this.#take(attempt, facts),
        { keep: this.#endpoint },
      )
      // The endpoint is gone, and `close` has told those who wait.
      .catch(() => {})
  }

  #take(attempt: number, facts: Bytes): void {
    this.#asking--
    if (attempt === 0) return
    const incoming = makeIncoming(this.#endpoint, attempt, facts)
    if (this.#over) {
      incoming.refuse()
      return
    }
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#ready.push(incoming)
    else this.#give(waiter, incoming)
  }

  #give(waiter: Waiter, incoming: Incoming | null): void {
    waiter.unlisten()
    waiter.resolve(incoming)
  }
}
