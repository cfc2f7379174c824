// Something that takes more than one native call, and can be ended between them.
import type { Abortable } from '../endpoint/call.js'
import type { StoreCore } from './store-core.js'

/** Ended by the caller's signal, by the close of the store, or by its own failure. */
export class Operation implements Abortable {
  readonly #core: StoreCore
  readonly #outer: AbortSignal | undefined
  readonly #controller = new AbortController()
  #reject: ((reason: unknown) => void) | null = null

  /** Throws the reason if it is over before it begins. */
  constructor(core: StoreCore, outer: AbortSignal | undefined) {
    core.check()
    outer?.throwIfAborted()
    this.#core = core
    this.#outer = outer
    outer?.addEventListener('abort', this)
    core.pending.add(this)
    core.awake.enter()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The outer signal's event. */
  handleEvent(): void {
    this.abort(this.#outer?.reason)
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason)
    this.#reject?.(reason)
  }

  /** Waits for foreign code no longer than the operation lasts. One at a time. */
  race<T>(promise: Promise<T>): Promise<T> {
    if (this.signal.aborted) return Promise.reject(this.signal.reason)
    return new Promise((resolve, reject) => {
      this.#reject = reject
      promise.then(resolve, reject)
    })
  }

  /** It is over; to be called in any case. */
  end(): void {
    this.#reject = null
    this.#outer?.removeEventListener('abort', this)
    this.#core.pending.delete(this)
    this.#core.awake.leave()
  }
}
