// A native handle and who gives it back.
import type { NativeBridge } from '../native.js'

/** Left to itself, released now, or watched until its owner is garbage. */
export type Fate = 'leave' | 'release' | 'watch'

/**
 * A handle that is released exactly once: by its owner, or by the registry when the owner is garbage.
 * Once registered it must not refer to its owner.
 */
export class Lease {
  /** 0 once released. */
  handle: number
  /** Held here while both are young. */
  owner: object | null = null
  /** Where it is listed while it is held, so that it can go with something greater. */
  readonly list: Set<Lease> | null

  constructor(handle: number, list: Set<Lease> | null = null) {
    this.handle = handle
    this.list = list
    list?.add(this)
  }

  /** What becomes of it when it is young no more. */
  fate(_: NativeBridge): Fate {
    return this.handle === 0 ? 'leave' : 'watch'
  }
}

/** The handle of a sending half. */
export class SendLease extends Lease {
  /** Whether its release takes nothing from anyone: the stream has its end. */
  over = false
  /** The QUIC id, once somebody asked. */
  id: number | null = null
  /** What `stopped` tells; undefined while unknown. */
  stopped: bigint | null | undefined = undefined

  /** A finished stream is done when the peer has all of it; what may be asked later is noted here. */
  override fate(native: NativeBridge): Fate {
    if (this.handle === 0) return 'leave'
    if (!this.over) return 'watch'
    const id = native.acknowledged(this.handle)
    if (id < 0) return 'watch'
    this.id = id
    this.stopped ??= null
    return 'release'
  }
}

/** The handle of a connection, with all that natively keeps the connection alive. */
export class ConnectionLease extends Lease {
  /** Whether the end is known; then it is released without its owner's help. */
  over = false
  // Made when needed: an idle connection should cost little.
  #subs: Set<number> | null = null
  #halves: Set<Lease> | null = null

  /** Loops; they end before the handle goes. */
  get subs(): Set<number> {
    this.#subs ??= new Set()
    return this.#subs
  }

  /** Halves of streams that are held. */
  get halves(): Set<Lease> {
    this.#halves ??= new Set()
    return this.#halves
  }

  override fate(_: NativeBridge): Fate {
    return this.over || this.handle === 0 ? 'leave' : 'watch'
  }
}
