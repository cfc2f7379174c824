// A call whose updates the user sends by hand.
import { GaiwanError } from '../errors.js'
import { Answers } from './answers.js'
import type { Exchange } from './exchange.js'
import { onlyValue, type Sender } from './half.js'
import { rpcError } from './errors.js'
import type { StreamCall } from './stream-call.js'
import type { OpenCall } from './types.js'

/** Opens the call; what can be sent then can be sent at once. */
export async function openCall(call: StreamCall): Promise<OpenCall<unknown, unknown>> {
  const exchange = await call.start()
  return new ManualCall(call, exchange, exchange.updates as Sender)
}

class ManualCall implements OpenCall<unknown, unknown> {
  readonly answer: unknown
  readonly #call: StreamCall
  readonly #updates: Sender
  #finished = false
  #answered = false

  constructor(call: StreamCall, exchange: Exchange, updates: Sender) {
    this.#call = call
    this.#updates = updates
    const { answers } = call.plan
    if (answers === 'many') this.answer = new Answers(call, async () => exchange)
    else {
      const answer = answers === 'one' ? onlyValue(exchange.answers) : Promise.resolve()
      const over = () => {
        this.#answered = true
      }
      // Who only sends hears of a failure by that.
      answer.then(over, over)
      this.answer = answer
    }
  }

  get stopped(): Promise<void> {
    return this.#updates.stopped
  }

  async send(update: unknown): Promise<void> {
    this.#check()
    await this.#updates.push(update)
  }

  trySend(update: unknown): boolean {
    this.#check()
    if (this.#updates.full) return false
    const room = this.#updates.push(update)
    room?.catch(() => {})
    return true
  }

  async finish(): Promise<void> {
    if (this.#finished) throw new GaiwanError('STREAM_CLOSED', 'the updates are finished')
    this.#finished = true
    this.#updates.finish()
  }

  cancel(reason: unknown = rpcError('RPC_CANCELLED', this.#call.plan.name, 'the call was cancelled')): void {
    this.#finished = true
    this.#call.cancel(reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#finished && (this.#answered || this.#call.plan.answers === 'none')) return
    if (this.#finished && this.#call.over) return
    this.cancel()
  }

  #check(): void {
    if (this.#call.signal.aborted) throw this.#call.signal.reason
    if (this.#finished) throw new GaiwanError('STREAM_CLOSED', 'the updates are finished')
    if (!this.#updates.open) throw rpcError('STREAM_STOPPED', this.#call.plan.name, 'the peer reads no more')
  }
}
