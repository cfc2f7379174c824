// A call at the client that is more than one request and one answer: two halves, opened in one step.
import type { Sink } from '../endpoint/call.js'
import type { GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import { OPEN } from '../wire/records.js'
import { HEAD_BYTES } from './ask.js'
import { Incoming } from './call.js'
import { Observed } from './diagnostics.js'
import { CANCELLED, isLost, transportError } from './errors.js'
import type { Receiver, Sender } from './half.js'
import { Inbound } from './inbound.js'
import type { Link, Links, Running } from './links.js'
import { Outbound } from './outbound.js'
import type { Plan } from './plan.js'
import { unit } from '../wire/postcard/index.js'

/** Bit of an OPEN's `param`: the request is all there is to send. */
const FINISH = 1 << 28

/** An open call as the client sees it. */
export interface Exchange {
  /** Null where there are no updates. */
  readonly updates: Sender | null
  readonly answers: Receiver
  /** Both halves are given up; answers that are awaited reject with the reason. */
  cancel(reason: unknown): void
  /** The call was without a sign of life for its whole time: new ones take another connection. */
  suspect(): void
}

/** Opens a stream, once more on a new connection if that fails. `request` is a head and a frame. */
export async function openExchange(links: Links, plan: Plan, request: Bytes, signal: AbortSignal, onEnd: () => void): Promise<Exchange> {
  for (let attempt = 1; ; attempt++) {
    let link: Link
    try {
      const picked = links.pick()
      // Without a wait where there is a connection: calls leave in the order in which they are made.
      link = picked instanceof Promise ? await raced(picked, signal) : picked
    } catch (error) {
      throw signal.aborted ? error : transportError(error, plan.name)
    }
    try {
      return await new Opening(link, plan, request, signal, onEnd).opened
    } catch (error) {
      if (signal.aborted) throw error
      if (isLost(error)) link.retire()
      if (!isLost(error) || attempt > 1 || links.fixed) throw transportError(error, plan.name)
    }
  }
}

/** Waits for the credit of the peer. */
class Opening implements Sink, Running {
  readonly opened: Promise<Exchange>
  readonly #link: Link
  readonly #plan: Plan
  readonly #request: Bytes
  readonly #signal: AbortSignal
  readonly #onEnd: () => void
  #resolve!: (exchange: Exchange) => void
  #reject!: (reason: unknown) => void
  #call = 0
  #over = false

  constructor(link: Link, plan: Plan, request: Bytes, signal: AbortSignal, onEnd: () => void) {
    this.#link = link
    this.#plan = plan
    this.#request = request
    this.#signal = signal
    this.#onEnd = onEnd
    this.opened = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    link.add(this)
    this.#open()
  }

  get name(): string {
    return this.#plan.name
  }

  take(handle: number): void {
    this.#done()
    const exchange = new NetExchange(this.#link, this.#plan, handle, this.#request.length - HEAD_BYTES, this.#onEnd)
    // It was given up while its stream came: the request goes out all the same.
    if (this.#over) exchange.cancel(this.#signal.reason)
    else this.#resolve(exchange)
  }

  end(error: GaiwanError | null): void {
    this.#done()
    this.#reject(error)
  }

  /** The signal's event. */
  handleEvent(): void {
    this.cancel(this.#signal.reason)
  }

  cancel(reason: unknown): void {
    this.#over = true
    // One record still comes: what was opened before the core heard of this, or an end.
    this.#link.core.bridge.direct.cancel(this.#call)
    this.#done()
    this.#reject(reason)
  }

  #open(): void {
    const { core } = this.#link
    const { bridge } = core
    const { updates, maxAnswerBytes } = this.#plan
    const { handle } = core.lease
    if (handle === 0) {
      this.end(core.error)
      return
    }
    this.#call = bridge.nextId()
    bridge.listen(this.#call, this)
    this.#signal.addEventListener('abort', this)
    bridge.submit(OPEN, handle, this.#call, updates === 'none' ? FINISH | maxAnswerBytes : maxAnswerBytes, this.#request)
  }

  #done(): void {
    this.#signal.removeEventListener('abort', this)
    this.#link.remove(this)
  }
}

class NetExchange implements Exchange, Running {
  readonly updates: Outbound | null
  readonly answers: Inbound
  readonly name: string
  readonly #link: Link
  readonly #isAnswered: boolean

  constructor(link: Link, plan: Plan, handle: number, requestBytes: number, onEnd: () => void) {
    const { core } = link
    const { name } = plan
    this.name = name
    this.#link = link
    this.#isAnswered = plan.answers !== 'none'
    link.add(this)
    const { abortGraceMs: graceMs } = link.links.settings
    const incoming = new Incoming(plan.answers, name, 'answers')
    const observed = Observed.start('client', name, requestBytes)
    if (plan.update === null) this.updates = null
    else {
      this.updates = new Outbound(core, handle, {
        codec: plan.update,
        max: plan.maxUpdateBytes,
        method: name,
        where: plan.updateName,
        graceMs,
        requestBytes,
      })
    }
    const frames = plan.update === null ? handle : handle + 1
    this.answers = new Inbound(core, frames, plan.answer ?? unit, name, plan.answerName, incoming, (error) => {
      observed?.end(error)
      this.#half()
      onEnd()
    })
    if (plan.answers === 'none') this.answers.close()
  }

  cancel(reason: unknown): void {
    this.updates?.abort(CANCELLED)
    this.answers.fail(reason)
    this.#link.doubt()
    this.#link.remove(this)
  }

  suspect(): void {
    this.#link.retire()
  }

  /** The answers are over; updates that are still to be sent keep the call running until their end, or where nobody answers them until they have arrived. */
  #half(): void {
    const { updates } = this
    const over = () => this.#link.remove(this)
    if (updates === null || !updates.state.open) over()
    else updates.onOver = this.#isAnswered ? over : () => void updates.arrived.then(over, over)
  }
}

/** The result of `work`, or the reason of the signal. */
function raced<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
