// A native object that belongs to some work.
import { Lease } from '../endpoint/lease.js'
import type { StoreCore } from './store-core.js'

/** Given back by `end`, by the close of the store, or when whoever works with it is garbage. */
export class Loan {
  readonly #core: StoreCore
  readonly #lease: Lease

  constructor(core: StoreCore, handle: number) {
    this.#core = core
    this.#lease = new Lease(handle, core.open)
    core.bridge.own(this, this.#lease)
    // The store may have closed while the object was made.
    if (core.isClosed) this.end()
  }

  /** 0 once it was given back. */
  get handle(): number {
    return this.#lease.handle
  }

  end(): void {
    this.#core.bridge.release(this.#lease)
  }
}
