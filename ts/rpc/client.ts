// The typed client of a service.
import { type Dialable, toAddr } from '../endpoint/addr.js'
import { Connection } from '../endpoint/connection.js'
import { Endpoint } from '../endpoint/endpoint.js'
import type { Bytes, BytesLike } from '../wire/bytes.js'
import { alpn as checkAlpn } from '../wire/check.js'
import { Answers } from './answers.js'
import { Ask, headOf } from './ask.js'
import { type Exchange, openExchange } from './exchange.js'
import { Links } from './links.js'
import { openCall } from './open-call.js'
import { type CallSettings, type ClientOptions, type ClientSettings, callSettings, clientSettings } from './options.js'
import type { Plan } from './plan.js'
import { isSource } from './pump.js'
import { requestFrame } from './request.js'
import { type Definition, definitionOf, type Service } from './service.js'
import { type Caller, StreamCall } from './stream-call.js'
import type { CallOptions, Client, Source } from './types.js'

/** Calls over connections. */
class NetCaller implements Caller {
  readonly #links: Links
  readonly #settings: ClientSettings
  readonly #spans: boolean
  /** Head of a call of priority 0. */
  readonly #head: Bytes

  constructor({ spans }: Definition, settings: ClientSettings, links: Links) {
    this.#links = links
    this.#settings = settings
    this.#spans = spans
    this.#head = headOf(0, settings.abortGraceMs)
  }

  ask(plan: Plan, request: unknown, settings: CallSettings): Promise<unknown> {
    if (settings.signal?.aborted) return Promise.reject(settings.signal.reason)
    try {
      return Ask.run(this.#links, plan, this.#frame(plan, request, settings.priority), settings)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async open(plan: Plan, request: unknown, { priority }: CallSettings, signal: AbortSignal, onEnd: () => void): Promise<Exchange> {
    return openExchange(this.#links, plan, this.#frame(plan, request, priority), signal, onEnd)
  }

  close(): Promise<void> {
    return this.#links.close()
  }

  #frame(plan: Plan, request: unknown, priority: number): Bytes {
    const head = priority === 0 ? this.#head : headOf(priority, this.#settings.abortGraceMs)
    // Undefined outside span mode.
    const trace = this.#spans ? (this.#settings.inject?.() ?? null) : undefined
    return requestFrame(plan, request, trace, head)
  }
}

/**
 * A client of a service: dials when first used, redials when the connection is lost; or works over one given connection.
 *
 * A call rejects with an `RpcError`, or with the reason of its signal. Nothing is sent twice but a call of an idempotent
 * method, once, when its connection was lost. Closing it closes its connections, a given one too.
 *
 * A server whose loop takes one request at a time (irpc's examples do) lets a long stream hold up all that follow: such
 * streams belong on a client of their own.
 *
 * @example
 * ```ts
 * await using tea = client(Tea, endpoint, ticket, 'gaiwan/tea/1')
 * const value = await tea.Get({ key: 'hello' }, { timeoutMs: 1_000 })
 * for await (const [key, count] of tea.List()) if (count > 9n) break // leaving cancels
 * ```
 */
export function client<S extends Service>(service: S, endpoint: Endpoint, to: Dialable, alpn: BytesLike, options?: ClientOptions): Client<S>
export function client<S extends Service>(service: S, connection: Connection, options?: ClientOptions): Client<S>
export function client<S extends Service>(
  service: S,
  over: Endpoint | Connection,
  to?: Dialable | ClientOptions,
  alpn?: BytesLike,
  options?: ClientOptions,
): Client<S> {
  const definition = definitionOf(service)
  if (over instanceof Connection) {
    const settings = clientSettings(to as ClientOptions | undefined)
    const dial = () => Promise.resolve(over)
    return clientOf(definition, new NetCaller(definition, settings, new Links(settings, dial, over)))
  }
  if (!(over instanceof Endpoint)) throw new TypeError('endpoint: expected an Endpoint or a Connection')
  const addr = toAddr(to as Dialable, 'to')
  const protocol = checkAlpn(alpn as BytesLike)
  const settings = clientSettings(options)
  return clientOf(definition, new NetCaller(definition, settings, new Links(settings, () => over.connect(addr, protocol), null)))
}

/** The object that users call. */
export function clientOf<S extends Service>({ plans }: Definition, caller: Caller): Client<S> {
  const made: Record<PropertyKey, unknown> = Object.create(null) as Record<PropertyKey, unknown>
  for (const plan of plans) if (plan !== null) made[plan.name] = methodOf(caller, plan)
  const close = () => caller.close()
  made.close = close
  made[Symbol.asyncDispose] = close
  return Object.freeze(made) as Client<S>
}

/** A unit request is left out of the arguments. */
function methodOf(caller: Caller, plan: Plan): unknown {
  if (plan.updates === 'none') {
    const start =
      plan.answers === 'many'
        ? (request: unknown, options?: CallOptions) => cold(caller, plan, request, options, null)
        : (request: unknown, options?: CallOptions) => ask(caller, plan, request, options)
    return plan.unit ? (options?: CallOptions) => start(undefined, options) : start
  }
  if (plan.updates === 'one') {
    const single = (request: unknown, update: unknown, options?: CallOptions) => {
      if (plan.answers === 'many') return cold(caller, plan, request, options, [update])
      return settled(() => new StreamCall(caller, plan, request, callSettings(options)).single(update))
    }
    return plan.unit ? (update: unknown, options?: CallOptions) => single(undefined, update, options) : single
  }
  const fed = (request: unknown, source: Source<unknown>, options?: CallOptions) => {
    if (!isSource(source)) throw new TypeError('updates: expected an iterable or an async iterable')
    if (plan.answers === 'many') return cold(caller, plan, request, options, source)
    return settled(async () => {
      const call = new StreamCall(caller, plan, request, callSettings(options))
      return call.one(await call.feed(source))
    })
  }
  const open = (request: unknown, options?: CallOptions) =>
    settled(() => openCall(new StreamCall(caller, plan, request, callSettings(options))))
  if (!plan.unit) return Object.assign(fed, { open })
  return Object.assign((source: Source<unknown>, options?: CallOptions) => fed(undefined, source, options), {
    open: (options?: CallOptions) => open(undefined, options),
  })
}

function ask(caller: Caller, plan: Plan, request: unknown, options: CallOptions | undefined): Promise<unknown> {
  try {
    return caller.ask(plan, request, callSettings(options))
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Answers that start their call with the first `next`. */
function cold(caller: Caller, plan: Plan, request: unknown, options: CallOptions | undefined, source: Source<unknown> | null): Answers {
  const call = new StreamCall(caller, plan, request, callSettings(options))
  return new Answers(call, () => (source === null ? call.start() : call.feed(source)))
}

/** Whatever it throws rejects. */
async function settled<T>(run: () => Promise<T>): Promise<T> {
  return run()
}
