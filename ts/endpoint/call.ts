// One call that waits for its answer from the native core.
import type { GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'

/** What takes the records of one id. */
export interface Sink {
  /** An OK or ITEM. `aux` is a handle, or the first of two, where the call says so; the taker owns it. */
  take(aux: number, body: Bytes): void
  /** ERROR or FAILED with the error, END with null. */
  end(error: GaiwanError | null): void
}

/** Something that `close()` can end early. */
export interface Abortable {
  abort(reason: unknown): void
}

export interface CallOptions {
  /** Ends the call; its promise rejects with the reason. */
  readonly signal?: AbortSignal | undefined
  /** The call is in here while it waits. */
  readonly group?: Set<Abortable> | undefined
  /** Lives at least as long as the call waits. */
  readonly keep?: object | undefined
}

/** A promise that settles with the record of one id, or before it by a signal. */
export class Call<T> implements Sink, Abortable {
  readonly #resolve: (value: T) => void
  readonly #reject: (reason: unknown) => void
  readonly #map: (aux: number, body: Bytes) => T
  /** Only held. */
  readonly keep: object | undefined
  #cancel: (() => void) | null = null
  #signal: AbortSignal | undefined
  #group: Set<Abortable> | undefined

  constructor(
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
    map: (aux: number, body: Bytes) => T,
    keep: object | undefined,
  ) {
    this.#resolve = resolve
    this.#reject = reject
    this.#map = map
    this.keep = keep
  }

  /** From now on the signal and the group can end the call; `cancel` then tells the native core. */
  arm(cancel: () => void, { signal, group }: CallOptions): void {
    this.#cancel = cancel
    this.#signal = signal
    this.#group = group
    signal?.addEventListener('abort', this)
    group?.add(this)
  }

  /** The signal's event. */
  handleEvent(): void {
    this.abort(this.#signal?.reason)
  }

  abort(reason: unknown): void {
    const cancel = this.#cancel
    this.#disarm()
    cancel?.()
    this.#reject(reason)
  }

  take(aux: number, body: Bytes): void {
    this.#disarm()
    try {
      this.#resolve(this.#map(aux, body))
    } catch (error) {
      this.#reject(error)
    }
  }

  end(error: GaiwanError | null): void {
    this.#disarm()
    this.#reject(error)
  }

  #disarm(): void {
    this.#cancel = null
    this.#signal?.removeEventListener('abort', this)
    this.#group?.delete(this)
  }
}
