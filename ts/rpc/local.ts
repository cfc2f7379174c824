// A service in process: the same client, without a network.
import type { EndpointId } from '../endpoint/key.js'
import { GaiwanError } from '../errors.js'
import { boolean, integer, MAX_U32, options as checkOptions, string } from '../wire/check.js'
import type { AnyCodec } from '../wire/postcard/codec.js'
import { decode, encode } from '../wire/postcard/index.js'
import { Incoming } from './call.js'
import { clientOf } from './client.js'
import { Context, type Caller as Remote } from './context.js'
import { CANCELLED, decodeFailure, encodeFailure, markError, markOf, rpcError } from './errors.js'
import type { Exchange } from './exchange.js'
import { type AnyHandlers, checkHandlers, isThenable, report, runStreams } from './handling.js'
import type { CallSettings } from './options.js'
import { Pipe } from './pipe.js'
import type { Plan } from './plan.js'
import { NO_TRACE } from './request.js'
import { type Definition, definitionOf, type Service } from './service.js'
import type { Caller } from './stream-call.js'
import type { Client, Handlers } from './types.js'

export interface LocalOptions {
  /** Values that one direction of a call holds [16]. */
  readonly capacity?: number
  /** Runs the codecs: for tests [false]. */
  readonly encode?: boolean
  /** What handlers see as `remoteId` [64 zeros]. */
  readonly id?: EndpointId
}

const DRAIN_MS = 5_000
const NOBODY = '0'.repeat(64)

/**
 * The same client without a network. Values pass as they are, streams through a bounded queue, cancelling and errors
 * are as remotely. `encode` runs the codecs: for tests [false]; `id` is what handlers see as `remoteId`.
 *
 * @example
 * ```ts
 * const tea = local(Tea, handlers, { encode: true })
 * await tea.Get({ key: 'hello' })
 * ```
 */
export function local<S extends Service>(service: S, handlers: Handlers<S>, options?: LocalOptions): Client<S> {
  const definition = definitionOf(service)
  const { capacity = 16, encode: coded = false, id = NOBODY } = checkOptions(options)
  integer(capacity, 'capacity', 1, MAX_U32)
  boolean(coded, 'encode')
  string(id, 'id')
  return clientOf(definition, new LocalCaller(definition, checkHandlers(definition, handlers), capacity, coded, id))
}

class LocalCaller implements Caller {
  readonly #definition: Definition
  readonly #handlers: AnyHandlers
  readonly #capacity: number
  readonly #coded: boolean
  readonly #remote: Remote
  /** Ends what runs, with a reason. */
  readonly #running = new Set<(reason: unknown) => void>()
  #closed: Promise<void> | null = null
  #idle: (() => void) | null = null

  constructor(definition: Definition, handlers: AnyHandlers, capacity: number, coded: boolean, id: EndpointId) {
    this.#definition = definition
    this.#handlers = handlers
    this.#capacity = capacity
    this.#coded = coded
    this.#remote = { connection: null, remoteId: id, state: {} }
  }

  ask(plan: Plan, request: unknown, settings: CallSettings): Promise<unknown> {
    const { signal, timeoutMs } = settings
    if (this.#closed !== null) return Promise.reject(closed())
    if (signal?.aborted) return Promise.reject(signal.reason)
    const context = new Context(this.#remote, plan.name, NO_TRACE, false)
    let result: unknown
    let given = request
    if (this.#coded && !plan.unit) {
      try {
        given = through(plan.request, request, plan)
      } catch (error) {
        return Promise.reject(error)
      }
    }
    try {
      result = (this.#handlers[plan.name] as (...args: unknown[]) => unknown).call(this.#handlers, given, context)
    } catch (error) {
      if (plan.answers !== 'none') return Promise.reject(this.#failed(error, plan, context))
      this.#report(error, context)
      return Promise.resolve()
    }
    if (plan.answers === 'none') {
      if (isThenable(result)) result.then(undefined, (error) => this.#report(error, context))
      return Promise.resolve()
    }
    if (!isThenable(result)) {
      if (!this.#coded) return Promise.resolve(result)
      result = Promise.resolve(result)
    }
    return this.#wait(plan, context, result as PromiseLike<unknown>, signal, timeoutMs)
  }

  async open(plan: Plan, request: unknown, _: CallSettings, __: AbortSignal, onEnd: () => void): Promise<Exchange> {
    if (this.#closed !== null) throw closed()
    const given = this.#coded && !plan.unit ? through(plan.request, request, plan) : request
    const context = new Context(this.#remote, plan.name, NO_TRACE, false)
    const pipe = (side: 'updates' | 'answers', codec: AnyCodec | null, ended: (error: unknown) => void) =>
      new Pipe(
        this.#capacity,
        plan.name,
        new Incoming(plan[side], plan.name, side),
        this.#coded && codec !== null ? (value) => through(codec, value, plan) : null,
        ended,
      )
    const answers = pipe('answers', plan.answer, () => onEnd())
    const aborted = (error: unknown) => {
      if (error !== null) context.abort(error)
    }
    const updates = plan.updates === 'none' ? null : pipe('updates', plan.update, aborted)
    if (plan.answers === 'none') answers.close()
    const cancel = (reason: unknown) => {
      updates?.abort(CANCELLED)
      answers.fail(reason)
    }
    this.#running.add(cancel)
    runStreams(plan, this.#handlers, given, updates, answers, context)
      .catch((error: unknown) => {
        if (!context.aborted) this.#report(error, context)
      })
      .finally(() => this.#ended(cancel))
    return { updates, answers, cancel, suspect: () => {} }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, DRAIN_MS)
        this.#idle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    for (const cancel of [...this.#running]) cancel(closed())
  }

  #ended(cancel: (reason: unknown) => void): void {
    this.#running.delete(cancel)
    if (this.#running.size === 0) this.#idle?.()
  }

  #wait(
    plan: Plan,
    context: Context,
    result: PromiseLike<unknown>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const cancel = (reason: unknown) => {
        over()
        context.abort(markError(CANCELLED, plan.name))
        reject(reason)
      }
      const onAbort = () => cancel(signal?.reason)
      const timer = timeoutMs === undefined ? null : setTimeout(() => cancel(rpcError('RPC_DEADLINE', plan.name)), timeoutMs)
      const over = () => {
        if (timer !== null) clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        this.#ended(cancel)
      }
      signal?.addEventListener('abort', onAbort)
      this.#running.add(cancel)
      result.then(
        (value) => {
          over()
          try {
            resolve(this.#coded ? through(plan.answer as AnyCodec, value, plan) : value)
          } catch (error) {
            reject(this.#failed(error, plan, context))
          }
        },
        (error) => {
          over()
          reject(this.#failed(error, plan, context))
        },
      )
    })
  }

  /** What the caller sees of a failure. */
  #failed(error: unknown, plan: Plan, context: Context): Error {
    if (!context.aborted) this.#report(error, context)
    return markError(markOf(error), plan.name)
  }

  #report(error: unknown, context: Context): void {
    report(this.#definition, { onError: undefined }, error, context)
  }
}

/** What would come out of a network. */
function through(codec: AnyCodec, value: unknown, plan: Plan): unknown {
  let bytes: Uint8Array
  try {
    bytes = encode(codec, value as never)
  } catch (error) {
    throw encodeFailure(error, plan.name)
  }
  try {
    return decode(codec, bytes)
  } catch (error) {
    throw decodeFailure(error, plan.name)
  }
}

function closed(): Error {
  return new GaiwanError('LOCALLY_CLOSED', 'the client is closed')
}
