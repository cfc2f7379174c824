// Calls as they start and end, for whoever listens on the channel `gaiwan:rpc:call` of `node:diagnostics_channel`.
import { channel } from 'node:diagnostics_channel'

/** A message of the channel. */
export interface CallEvent {
  readonly phase: 'start' | 'end'
  readonly side: 'client' | 'server'
  readonly method: string
  /** Of the request frame. */
  readonly bytes: number
  /** Since the start, at the end. */
  readonly ms?: number
  /** Of the failure, at the end; null for a good one. */
  readonly code?: string | null
}

const calls = channel('gaiwan:rpc:call')

/** One call that somebody looks at. */
export class Observed {
  readonly #side: 'client' | 'server'
  readonly #method: string
  readonly #bytes: number
  readonly #started = performance.now()

  private constructor(side: 'client' | 'server', method: string, bytes: number) {
    this.#side = side
    this.#method = method
    this.#bytes = bytes
  }

  /** Null while nobody listens. */
  static start(side: 'client' | 'server', method: string, bytes: number): Observed | null {
    if (!calls.hasSubscribers) return null
    const observed = new Observed(side, method, bytes)
    calls.publish({ phase: 'start', side, method, bytes } satisfies CallEvent)
    return observed
  }

  end(error: unknown): void {
    const code = error === null ? null : String((error as { code?: unknown } | undefined)?.code ?? 'ABORTED')
    const ms = performance.now() - this.#started
    calls.publish({ phase: 'end', side: this.#side, method: this.#method, bytes: this.#bytes, ms, code } satisfies CallEvent)
  }
}
