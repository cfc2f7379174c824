// Calls of one request and at most one answer: one crossing out and one back.
import type { Sink } from '../endpoint/call.js'
import { fromNative, type GaiwanError } from '../errors.js'
import { type Bytes, text } from '../wire/bytes.js'
import { coderOf } from '../wire/postcard/codec.js'
import { decodeError } from '../wire/failure.js'
import { Reader } from '../wire/reader.js'
import { CALL } from '../wire/records.js'
import { Incoming } from './call.js'
import { Observed } from './diagnostics.js'
import { decodeFailure, isLost, RpcError, rpcError, transportError } from './errors.js'
import type { Link, Links, Running } from './links.js'
import type { CallSettings } from './options.js'
import type { Plan } from './plan.js'

/** Bit of a CALL's `param`: no answer; an ITEM when transport has the request, OK when the peer has it. */
const NOTIFY = 1 << 28
/** OK with this in aux: no stream was opened. */
const NOT_OPENED = 1
/** Bytes in front of a request: priority i32, grace u32. */
export const HEAD_BYTES = 8

/** @see HEAD_BYTES */
export function headOf(priority: number, graceMs: number): Bytes {
  return new Uint8Array(Int32Array.of(priority, graceMs).buffer)
}

/** One call. Its promise is made by `run`. */
export class Ask implements Sink, Running {
  readonly #links: Links
  readonly #plan: Plan
  readonly #body: Bytes
  readonly #settings: CallSettings
  readonly #resolve: (value: unknown) => void
  readonly #reject: (reason: unknown) => void
  #link: Link | null = null
  #call = 0
  #timer: NodeJS.Timeout | null = null
  #attempts = 0
  /** The caller has its result; a notify may still be on its way. */
  #settled = false
  #observed: Observed | null = null

  private constructor(
    links: Links,
    plan: Plan,
    body: Bytes,
    settings: CallSettings,
    resolve: (value: unknown) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#links = links
    this.#plan = plan
    this.#body = body
    this.#settings = settings
    this.#resolve = resolve
    this.#reject = reject
  }

  /** @param body head and request frame; nothing else is read of the request */
  static run(links: Links, plan: Plan, body: Bytes, settings: CallSettings): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ask = new Ask(links, plan, body, settings, resolve, reject)
      ask.#observed = Observed.start('client', plan.name, body.length - HEAD_BYTES)
      const { signal, timeoutMs } = settings
      if (signal !== undefined) signal.addEventListener('abort', ask)
      if (timeoutMs !== undefined) ask.#timer = setTimeout(ask.#late, timeoutMs)
      ask.#begin()
    })
  }

  get name(): string {
    return this.#plan.name
  }

  /** OK or ITEM. */
  take(aux: number, body: Bytes): void {
    const plan = this.#plan
    if (aux === NOT_OPENED) {
      this.#lost(fromNative(text(body)), true)
      return
    }
    if (plan.answers === 'none') {
      this.#arrived()
      return
    }
    this.#over()
    const place = new Incoming('one', plan.name, 'answers').only(body)
    if (place instanceof RpcError) {
      this.#fail(place)
      return
    }
    let value: unknown
    try {
      value = coderOf(plan.answer as never, 'answer').read(new Reader(body, place.start, place.end))
    } catch (thrown) {
      this.#fail(decodeFailure(decodeError(thrown, plan.answerName), plan.name))
      return
    }
    this.#succeed(value)
  }

  end(error: GaiwanError | null): void {
    this.#lost(error as GaiwanError, false)
  }

  /** The signal's event. */
  handleEvent(): void {
    this.cancel(this.#settings.signal?.reason)
  }

  /** The request still reaches the peer whole if a stream was opened. */
  cancel(reason: unknown): void {
    const link = this.#link
    if (link !== null && this.#call !== 0) {
      link.core.bridge.cancel(this.#call)
      link.doubt()
    }
    this.#over()
    this.#fail(reason)
  }

  #begin(): void {
    const picked = this.#links.pick()
    if (!(picked instanceof Promise)) {
      this.#send(picked)
      return
    }
    picked.then(
      (link) => {
        if (!this.#settled) this.#send(link)
      },
      (error) => {
        this.#over()
        this.#fail(transportError(error, this.#plan.name))
      },
    )
  }

  #send(link: Link): void {
    const { core } = link
    const { handle } = core.lease
    this.#attempts++
    if (handle === 0) {
      this.#link = link
      this.#lost(core.error, true)
      return
    }
    this.#link = link
    link.add(this)
    const { bridge } = core
    this.#call = bridge.nextId()
    bridge.listen(this.#call, this)
    bridge.submit(CALL, handle, this.#call, this.#plan.answers === 'none' ? NOTIFY : this.#plan.maxAnswerBytes, this.#body)
  }

  /** Nothing was sent: once more on a new connection. Else only what may run twice, and once. */
  #lost(error: GaiwanError, unsent: boolean): void {
    const link = this.#link
    const lost = isLost(error)
    this.#call = 0
    link?.remove(this)
    this.#link = null
    if (lost) link?.retire()
    const again = lost && this.#attempts < 2 && !this.#links.fixed && (unsent || this.#plan.idempotent)
    if (again && !this.#settled) this.#begin()
    else {
      this.#over()
      this.#fail(transportError(error, this.#plan.name))
    }
  }

  /** A notify: first transport has it (ITEM), then the peer (OK). */
  #arrived(): void {
    const bridge = this.#link?.core.bridge
    if (!this.#settled && !this.#settings.delivered) {
      this.#disarm()
      this.#succeed(undefined)
      return
    }
    // Whether this is the ITEM or the OK tells what is left of it.
    if (bridge?.isListened(this.#call) === true) return
    this.#over()
    this.#succeed(undefined)
  }

  readonly #late = (): void => {
    // A server whose loop is dead cannot be told from one that is slow: others take another connection.
    const link = this.#link
    this.cancel(rpcError('RPC_DEADLINE', this.#plan.name))
    link?.retire()
  }

  #succeed(value: unknown): void {
    if (this.#settled) return
    this.#settled = true
    this.#observed?.end(null)
    this.#resolve(value)
  }

  #fail(error: unknown): void {
    if (this.#settled) return
    this.#settled = true
    this.#observed?.end(error)
    this.#reject(error)
  }

  #over(): void {
    this.#disarm()
    this.#call = 0
    const link = this.#link
    this.#link = null
    link?.remove(this)
  }

  #disarm(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer)
      this.#timer = null
    }
    const { signal } = this.#settings
    if (signal !== undefined) signal.removeEventListener('abort', this)
  }
}
