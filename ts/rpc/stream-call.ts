// A call at the client with updates or many answers, from its start to its end.
import { CANCELLED, rpcError } from './errors.js'
import type { Exchange } from './exchange.js'
import { onlyValue } from './half.js'
import type { CallSettings } from './options.js'
import type { Plan } from './plan.js'
import { Pump } from './pump.js'
import type { Source } from './types.js'

/** Makes calls, over a network or in process. */
export interface Caller {
  /** A request without updates and at most one answer. */
  ask(plan: Plan, request: unknown, settings: CallSettings): Promise<unknown>
  /** Any other. `onEnd` is called when the answers are over. Never throws: what cannot be encoded rejects. */
  open(plan: Plan, request: unknown, settings: CallSettings, signal: AbortSignal, onEnd: () => void): Promise<Exchange>
  close(): Promise<void>
}

/** One call. The signal and the deadline of the user end it until its answers are over. */
export class StreamCall {
  readonly plan: Plan
  readonly #caller: Caller
  readonly #request: unknown
  readonly #settings: CallSettings
  readonly #abort = new AbortController()
  #exchange: Exchange | null = null
  #started: Promise<Exchange> | null = null
  #timer: NodeJS.Timeout | null = null
  #pump: Pump | null = null
  #over = false
  /** Whether the peer has shown any sign of life on this call. */
  answered = false

  constructor(caller: Caller, plan: Plan, request: unknown, settings: CallSettings) {
    this.#caller = caller
    this.plan = plan
    this.#request = request
    this.#settings = settings
  }

  /** Opens the call, the first time. */
  start(): Promise<Exchange> {
    this.#started ??= this.#start()
    return this.#started
  }

  async #start(): Promise<Exchange> {
    const { signal, timeoutMs } = this.#settings
    if (this.#abort.signal.aborted) throw this.#abort.signal.reason
    if (signal?.aborted) throw signal.reason
    signal?.addEventListener('abort', this)
    if (timeoutMs !== undefined) this.#timer = setTimeout(this.#late, timeoutMs)
    try {
      const exchange = await this.#caller.open(this.plan, this.#request, this.#settings, this.#abort.signal, () => this.#done())
      this.#exchange = exchange
      if (this.#abort.signal.aborted) {
        exchange.cancel(this.#abort.signal.reason)
        throw this.#abort.signal.reason
      }
      return exchange
    } catch (error) {
      this.#done()
      throw error
    }
  }

  /** Opens the call and sends what `source` gives; a source that throws ends the call with its error. */
  async feed(source: Source<unknown>): Promise<Exchange> {
    const exchange = await this.start()
    const { updates } = exchange
    if (updates !== null) {
      this.#pump = new Pump(source, updates)
      const fed = this.#feed(this.#pump, exchange)
      if (this.plan.answers === 'none') await fed
    }
    return exchange
  }

  async #feed(pump: Pump, { updates }: Exchange): Promise<void> {
    try {
      await pump.run()
      const arrived = this.#settings.delivered ? updates?.arrived : undefined
      arrived?.catch(() => {})
      updates?.finish()
      if (this.plan.answers === 'none') {
        await arrived
        this.#abort.signal.throwIfAborted()
      }
    } catch (error) {
      this.cancel(error)
      if (this.plan.answers === 'none') throw error
    }
  }

  /** The one answer. */
  async one(exchange: Exchange): Promise<unknown> {
    if (this.plan.answers === 'none') return undefined
    return onlyValue(exchange.answers)
  }

  /** Sends the only update when it is there, then waits for the answer. */
  async single(update: unknown): Promise<unknown> {
    const exchange = await this.start()
    const { updates } = exchange
    const sent = (async () => {
      try {
        const value = await update
        if (updates?.open) await updates.push(value)
        const arrived = this.#settings.delivered ? updates?.arrived : undefined
        arrived?.catch(() => {})
        updates?.finish()
        if (this.plan.answers === 'none') await arrived
      } catch (error) {
        this.cancel(error)
        throw error
      }
    })()
    if (this.plan.answers === 'none') return sent
    // Its failure has cancelled the call, which then rejects with it.
    sent.catch(() => {})
    return onlyValue(exchange.answers)
  }

  /** The signal's event. */
  handleEvent(): void {
    this.cancel(this.#settings.signal?.reason)
  }

  /** Gives the call up; what waits rejects with the reason. */
  cancel(reason: unknown): void {
    if (this.#abort.signal.aborted) return
    this.#abort.abort(reason)
    this.#pump?.stop()
    this.#exchange?.cancel(reason)
    this.#done()
  }

  /** The caller has all it wants of the answers and no more updates. */
  leave(): void {
    if (this.#over && this.#exchange?.updates?.open !== true) return
    this.cancel(rpcError('RPC_CANCELLED', this.plan.name, 'the call was left', { applicationCode: CANCELLED }))
  }

  /** Whether its answers are over. */
  get over(): boolean {
    return this.#over
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  readonly #late = (): void => {
    if (!this.answered) this.#exchange?.suspect()
    this.cancel(rpcError('RPC_DEADLINE', this.plan.name))
  }

  #done(): void {
    this.#over = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#settings.signal?.removeEventListener('abort', this)
  }
}
