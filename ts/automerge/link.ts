// Keeps one peer connected: dials, and dials again.
import { setTimeout as sleep } from 'node:timers/promises'
import { debuglog } from 'node:util'
import type { EndpointAddr } from '../endpoint/addr.js'
import type { EndpointId } from '../endpoint/key.js'
import { GaiwanError } from '../errors.js'
import type { Retry } from './options.js'
import { HEALTHY_MS } from './protocol.js'

const log = debuglog('gaiwan-automerge')
/** Share by which a wait is longer or shorter, so that many do not come back at once. */
const JITTER = 0.2

/** What a link needs of its adapter. */
export interface LinkHost {
  readonly retry: Retry | null
  /** Dials and lives the session to its end. */
  session(addr: EndpointAddr, signal: AbortSignal): Promise<void>
  /** Resolves at once, or when no session with this endpoint is open any more. */
  idle(id: EndpointId, signal: AbortSignal): Promise<void>
}

/** One peer that is dialed. `stop` ends the dialing, not a session that is open. */
export class Link {
  readonly addr: EndpointAddr
  /** Whether a dial is under way. */
  isDialing = false
  readonly #host: LinkHost
  readonly #abort = new AbortController()

  constructor(host: LinkHost, addr: EndpointAddr) {
    this.#host = host
    this.addr = addr
  }

  /** Goes on until it is stopped. Never rejects. */
  async run(): Promise<void> {
    const { retry } = this.#host
    const { signal } = this.#abort
    let wait = retry?.initialMs ?? 0
    try {
      for (;;) {
        // The peer may have come by itself.
        await this.#host.idle(this.addr.id, signal)
        const began = performance.now()
        if (!(await this.#once(signal)) || retry === null) return
        if (performance.now() - began >= HEALTHY_MS) wait = retry.initialMs
        await sleep(wait * (1 + JITTER * (2 * Math.random() - 1)), undefined, { signal, ref: false })
        wait = Math.min(2 * wait, retry.maxMs)
      }
    } catch (error) {
      if (!signal.aborted) log('%s: %s', this.addr.id, error)
    }
  }

  stop(): void {
    this.#abort.abort()
  }

  /** Whether it is worth another try. */
  async #once(signal: AbortSignal): Promise<boolean> {
    this.isDialing = true
    try {
      await this.#host.session(this.addr, signal)
    } catch (error) {
      log('%s: %s', this.addr.id, error)
      if (signal.aborted || GaiwanError.is(error, 'SELF_DIAL', 'ENDPOINT_CLOSED')) return false
    } finally {
      this.isDialing = false
    }
    return true
  }
}
