// Asks all lookups at once; results come as they arrive.
import { GaiwanError } from '../errors.js'
import { type EndpointAddr, normalize } from './addr.js'
import type { EndpointId } from './key.js'
import type { AddressLookup, LookupResult } from './lookup.js'

/** How lookups did so far. */
export interface LookupCounts {
  lookups: number
  failed: number
}

/** Results of several lookups as one stream. Made to be read by one reader. */
export class Resolution implements AsyncIterableIterator<LookupResult> {
  readonly #id: EndpointId
  readonly #results: LookupResult[] = []
  readonly #failures: unknown[] = []
  readonly #abort = new AbortController()
  readonly #counts: LookupCounts
  #running: number
  #succeeded = false
  #reason: { readonly value: unknown } | null = null
  #wake: (() => void) | null = null
  #unlisten: () => void = () => {}

  /** @param signal ends the stream with its reason */
  constructor(lookups: readonly AddressLookup[], id: EndpointId, counts: LookupCounts, signal: AbortSignal | undefined) {
    this.#id = id
    this.#counts = counts
    this.#running = lookups.length
    if (signal !== undefined) {
      const stop = () => this.#stop({ value: signal.reason })
      if (signal.aborted) stop()
      else {
        signal.addEventListener('abort', stop)
        this.#unlisten = () => signal.removeEventListener('abort', stop)
      }
    }
    counts.lookups++
    if (this.#reason === null) for (const lookup of lookups) void this.#ask(lookup)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** @throws {GaiwanError} `LOOKUP_FAILED` once all have failed; the cause is an `AggregateError`. */
  async next(): Promise<IteratorResult<LookupResult, undefined>> {
    for (;;) {
      const value = this.#results.shift()
      if (value !== undefined) return { value, done: false }
      if (this.#reason !== null) throw this.#reason.value
      if (this.#running === 0) break
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#unlisten()
    if (this.#failures.length > 0 && !this.#succeeded) {
      this.#counts.failed++
      const cause = new AggregateError(this.#failures.splice(0), 'every lookup failed')
      throw new GaiwanError('LOOKUP_FAILED', 'every lookup failed', { cause })
    }
    return { value: undefined, done: true }
  }

  async return(): Promise<IteratorResult<LookupResult, undefined>> {
    this.close()
    return { value: undefined, done: true }
  }

  /** What has arrived and nobody took. */
  taken(): LookupResult[] {
    return this.#results.splice(0)
  }

  /** Tells the lookups that nobody listens any more. */
  close(): void {
    this.#running = 0
    this.#unlisten()
    this.#abort.abort()
    this.#wake?.()
  }

  #stop(reason: { readonly value: unknown }): void {
    this.#reason = reason
    this.#abort.abort(reason.value)
    this.#wake?.()
  }

  async #ask(lookup: AddressLookup): Promise<void> {
    const { signal } = this.#abort
    try {
      for await (const result of lookup.resolve(this.#id, { signal })) {
        if (signal.aborted) return
        const addr = usable(result.addr, this.#id)
        if (addr === null) continue
        this.#results.push({ ...result, addr })
        this.#wake?.()
      }
      this.#succeeded = true
    } catch (error) {
      this.#failures.push(error)
    } finally {
      if (!signal.aborted) {
        this.#running--
        this.#wake?.()
      }
    }
  }
}

/** A lookup is foreign code: what it says about another id, or in a wrong form, is left out. */
function usable(addr: EndpointAddr, id: EndpointId): EndpointAddr | null {
  try {
    const normal = normalize(addr, 'addr')
    return normal.id === id ? normal : null
  } catch {
    return null
  }
}
