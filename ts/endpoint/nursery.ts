// Leases whose owners are young. Most streams live shorter than this watches, and never meet the FinalizationRegistry: what is
// registered survives every young collection, so that thousands of streams a second would fill the old space with garbage.
import type { NativeBridge } from '../native.js'
import type { Lease } from './lease.js'

/** So many young ones make a generation. */
const GENERATION = 256
/** A generation that does not fill up is one after this time. */
const GENERATION_MS = 100

/** Holds owners for one or two generations; whoever is not done then is watched by the registry. */
export class Nursery {
  readonly #native: NativeBridge
  readonly #release: (lease: Lease) => void
  readonly #registry: FinalizationRegistry<Lease>
  #young: Lease[] = []
  #old: Lease[] = []
  #timer: NodeJS.Timeout | null = null

  /** @param release gives a handle back, the first time */
  constructor(native: NativeBridge, release: (lease: Lease) => void) {
    this.#native = native
    this.#release = release
    this.#registry = new FinalizationRegistry(release)
  }

  /** When `owner` is garbage, some time after, the handle of `lease` is released. */
  add(owner: object, lease: Lease): void {
    lease.owner = owner
    if (this.#young.push(lease) >= GENERATION) this.#turn()
    this.#timer ??= setTimeout(this.#onTimer, GENERATION_MS).unref()
  }

  readonly #onTimer = (): void => {
    this.#timer = null
    this.#turn()
    if (this.#old.length > 0) this.#timer = setTimeout(this.#onTimer, GENERATION_MS).unref()
  }

  #turn(): void {
    for (const lease of this.#old) {
      const { owner } = lease
      lease.owner = null
      const fate = lease.fate(this.#native)
      if (fate === 'watch') this.#registry.register(owner as object, lease)
      else if (fate === 'release') this.#release(lease)
    }
    this.#old = this.#young
    this.#young = []
  }
}
