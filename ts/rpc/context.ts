// What a handler learns about its call.
import type { Connection } from '../endpoint/connection.js'
import type { EndpointId } from '../endpoint/key.js'
import type { Trace } from './request.js'
import type { CallContext } from './types.js'

/** Who calls, and for how long: the same for all calls of a connection. */
export interface Caller {
  readonly connection: Connection | null
  readonly remoteId: EndpointId
  readonly state: Record<PropertyKey, unknown>
}

/** The signal is made when somebody looks at it: most handlers never do. */
export class Context implements CallContext {
  readonly method: string
  readonly trace: Trace
  readonly early: boolean
  readonly #caller: Caller
  #controller: AbortController | null = null
  #aborted = false
  #reason: unknown
  /** Called when the signal is looked at for the first time. */
  onWatch: (() => void) | null = null

  constructor(caller: Caller, method: string, trace: Trace, early: boolean) {
    this.#caller = caller
    this.method = method
    this.trace = trace
    this.early = early
  }

  get connection(): Connection | null {
    return this.#caller.connection
  }

  get remoteId(): EndpointId {
    return this.#caller.remoteId
  }

  get state(): Record<PropertyKey, unknown> {
    return this.#caller.state
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort(this.#reason)
      else this.onWatch?.()
    }
    return this.#controller.signal
  }

  get aborted(): boolean {
    return this.#aborted
  }

  /** The caller has cancelled or is lost; the first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
