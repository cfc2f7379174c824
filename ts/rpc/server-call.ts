// One request at the server, from its first frame to the end of both halves.
import { ANSWER, RELEASE } from '../wire/records.js'
import { type Bytes, EMPTY } from '../wire/bytes.js'
import { encodeFrame } from '../wire/postcard/message.js'
import { unit } from '../wire/postcard/index.js'
import { Writer } from '../wire/writer.js'
import { Incoming } from './call.js'
import type { Context } from './context.js'
import { Observed } from './diagnostics.js'
import { CANCELLED, DEADLINE, encodeFailure, markOf, rpcError } from './errors.js'
import { type AnyHandlers, isThenable, report, runStreams } from './handling.js'
import { Inbound } from './inbound.js'
import { Outbound } from './outbound.js'
import type { Plan } from './plan.js'
import { NO_TRACE } from './request.js'
import type { Serving } from './serving.js'

/** Bits of an ANSWER's `param` above the code that stops the request half. */
const BAD = 0x100
const MARK = 0x200
/** How long a mark may wait for the peer's flow control before it becomes a reset. */
const GRACE_MS = 5_000

const marks = Array.from({ length: 128 }, (_, code) => Uint8Array.of(0x80 | code))
/** The writer that is not in use. */
let spare: Writer | null = null

/** Refuses a request in one step: a mark on the answer half, a stop of the other. `bad` counts against the peer. */
export function refuse({ core }: Serving, handle: number, code: number, bad: boolean): void {
  core.bridge.submit(ANSWER, handle, 0, code | MARK | (bad ? BAD : 0), marks[code] as Bytes)
}

export class ServerCall {
  readonly context: Context
  readonly #serving: Serving
  readonly #plan: Plan
  /** 0 once answered or split. */
  #handle: number
  #answers: Outbound | null = null
  #updates: Inbound | null = null
  #timer: NodeJS.Timeout | null = null
  #over = false
  #error: unknown = null
  readonly #observed: Observed | null

  constructor(serving: Serving, plan: Plan, handle: number, context: Context, bytes: number) {
    this.#observed = Observed.start('server', plan.name, bytes)
    this.#serving = serving
    this.#plan = plan
    this.#handle = handle
    this.context = context
    const { callTimeoutMs } = serving.settings
    if (callTimeoutMs !== undefined) this.#timer = setTimeout(this.#late, callTimeoutMs)
  }

  /** Once the peer has all of the answer, wants no more of it, or is gone. Asked for while the call runs; never rejects. */
  get arrived(): Promise<void> {
    const over = () => {}
    if (this.#answers !== null) return this.#answers.arrived.then(over, over)
    const handle = this.#handle
    return this.#serving.core.bridge.call((native, id) => native.framedWatch(id, handle), over).then(over, over)
  }

  start(handlers: AnyHandlers, request: unknown): void {
    // It was ended while it waited for the handshake.
    if (this.#over) return
    const { around, extract } = this.#serving.settings
    if (extract !== undefined && this.context.trace !== NO_TRACE) {
      try {
        extract(this.context.trace)
      } catch (error) {
        this.#settled(error)
        return
      }
    }
    const plain = this.#plan.updates === 'none' && this.#plan.answers !== 'many'
    if (around !== undefined) {
      let ran = false
      const next = async () => {
        if (ran) throw new TypeError('next() of around: called twice')
        ran = true
        await (plain ? this.#plain(handlers, request) : this.#streams(handlers, request))
      }
      const surrounded = (async () => around(this.context, next))()
      surrounded.then(
        () => this.#settled(ran ? null : new TypeError('around ended without next()')),
        (error) => this.#settled(error),
      )
    } else if (plain) this.#fast(handlers, request)
    else {
      this.#streams(handlers, request).then(
        () => this.#settled(null),
        (error) => this.#settled(error),
      )
    }
  }

  /** The connection is gone, or the server gives up. A code is told to the peer. */
  abort(reason: unknown, code: number | null): void {
    this.#error = reason
    this.context.abort(reason)
    this.#end(code)
    this.#done()
  }

  /** Without a promise of its own if the handler answers at once. */
  #fast(handlers: AnyHandlers, request: unknown): void {
    const { context } = this
    context.onWatch = () => this.#watch()
    let result: unknown
    try {
      result = (handlers[this.#plan.name] as (...args: unknown[]) => unknown).call(handlers, request, context)
      if (!isThenable(result)) {
        this.#answer(result)
        this.#done()
        return
      }
    } catch (error) {
      this.#settled(error)
      return
    }
    result.then(
      (value) => {
        try {
          this.#answer(value)
          this.#done()
        } catch (error) {
          this.#settled(error)
        }
      },
      (error) => this.#settled(error),
    )
  }

  async #plain(handlers: AnyHandlers, request: unknown): Promise<void> {
    this.context.onWatch = () => this.#watch()
    this.#answer(await (handlers[this.#plan.name] as (...args: unknown[]) => unknown).call(handlers, request, this.context))
  }

  async #streams(handlers: AnyHandlers, request: unknown): Promise<void> {
    const { core } = this.#serving
    const { bridge } = core
    const plan = this.#plan
    const handle = this.#handle
    this.#handle = 0
    const send = bridge.loose.framedSplit(handle, plan.maxUpdateBytes)
    this.#answers = new Outbound(core, send, {
      codec: plan.answer ?? unit,
      max: plan.maxAnswerBytes,
      method: plan.name,
      where: plan.answerName,
      graceMs: GRACE_MS,
      requestBytes: 0,
    })
    if (plan.update === null) bridge.submit(RELEASE, send + 1, 0, 0, EMPTY)
    else {
      const incoming = new Incoming(plan.updates, plan.name, 'updates')
      this.#updates = new Inbound(core, send + 1, plan.update, plan.name, plan.updateName, incoming, (error) => {
        if (error !== null) this.context.abort(error)
      })
    }
    await runStreams(plan, handlers, request, this.#updates, this.#answers, this.context)
  }

  /** The answer and its end in one step. Throws what cannot be encoded. */
  #answer(value: unknown): void {
    const handle = this.#handle
    if (handle === 0) return
    const plan = this.#plan
    const { bridge } = this.#serving.core
    if (plan.answers === 'none') {
      this.#handle = 0
      bridge.submit(ANSWER, handle, 0, 0, EMPTY)
      return
    }
    const writer = spare ?? new Writer()
    spare = null
    try {
      encodeFrame(plan.answer as never, value as never, writer, { max: plan.maxAnswerBytes, where: plan.answerName })
      this.#handle = 0
      bridge.submit(ANSWER, handle, 0, 0, writer.view())
    } catch (error) {
      throw encodeFailure(error, plan.name)
    } finally {
      writer.clear()
      spare = writer
    }
  }

  /** The handler is done; what it threw becomes a code. */
  #settled(error: unknown): void {
    const wasOver = this.#over
    if (error !== null) {
      this.#error = error
      this.#end(markOf(error))
      // Who was cancelled may well throw for that.
      if (!wasOver && !this.context.aborted) report(this.#serving.definition, this.#serving.settings, error, this.context)
    }
    this.#done()
  }

  /** Ends what is not ended: with a mark, or without a word if nobody is there. */
  #end(code: number | null): void {
    const handle = this.#handle
    this.#handle = 0
    const { bridge } = this.#serving.core
    if (handle !== 0) {
      if (code === null) bridge.submit(RELEASE, handle, 0, 0, EMPTY)
      else bridge.submit(ANSWER, handle, 0, MARK, marks[code] as Bytes)
    }
    if (code !== null) this.#answers?.abort(code)
    this.#updates?.fail(rpcError('RPC_CANCELLED', this.#plan.name, 'the call is over', { applicationCode: CANCELLED }))
  }

  #done(): void {
    if (this.#over) return
    this.#over = true
    this.#observed?.end(this.#error)
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#serving.remove(this)
  }

  /** Asks to be told if the caller wants the answer no more. A notify is stopped at once by every caller. */
  #watch(): void {
    const handle = this.#handle
    if (handle === 0 || this.#plan.answers === 'none') return
    const { bridge } = this.#serving.core
    bridge
      .call(
        (native, id) => native.framedWatch(id, handle),
        (aux) => aux,
      )
      .then(
        (stopped) => {
          if (stopped === 1 && this.#handle === handle) {
            this.#end(null)
            this.context.abort(rpcError('RPC_CANCELLED', this.#plan.name, undefined, { applicationCode: CANCELLED }))
          }
        },
        () => {},
      )
  }

  readonly #late = (): void => {
    this.abort(rpcError('RPC_DEADLINE', this.#plan.name), DEADLINE)
  }
}
