// Calling a handler, the same over a network and in process.
import type { Context } from './context.js'
import { markOf, rpcError } from './errors.js'
import { onlyValue, type Receiver, type Sender } from './half.js'
import type { ServerSettings } from './options.js'
import type { Plan } from './plan.js'
import { isSource, Pump } from './pump.js'
import type { Definition } from './service.js'

type AnyHandler = (...args: unknown[]) => unknown
export type AnyHandlers = Readonly<Record<string, AnyHandler>>

/** @throws {TypeError} where a handler is missing */
export function checkHandlers({ plans }: Definition, handlers: unknown): AnyHandlers {
  if (typeof handlers !== 'object' || handlers === null) throw new TypeError('handlers: expected an object')
  for (const plan of plans) {
    if (plan !== null && typeof (handlers as AnyHandlers)[plan.name] !== 'function') {
      throw new TypeError(`handlers.${plan.name}: expected a function`)
    }
  }
  return handlers as AnyHandlers
}

/** Methods that have failed and whose failure nobody listens to. */
const warned = new WeakMap<Definition, Set<string>>()

/** Tells somebody what a handler threw; never the caller. */
export function report(definition: Definition, settings: Pick<ServerSettings, 'onError'>, error: unknown, context: Context): void {
  if (settings.onError !== undefined) {
    try {
      settings.onError(error, context)
    } catch (thrown) {
      queueMicrotask(() => {
        throw thrown
      })
    }
    return
  }
  let methods = warned.get(definition)
  if (methods === undefined) {
    methods = new Set()
    warned.set(definition, methods)
  }
  if (methods.has(context.method)) return
  methods.add(context.method)
  const warning = new Error(`the handler of ${context.method} failed; give serve an onError to take this`, { cause: error })
  warning.name = 'GaiwanWarning'
  if (error instanceof Error && error.stack !== undefined) warning.stack = `${warning.name}: ${warning.message}\n${error.stack}`
  process.emitWarning(warning)
}

/** Runs a handler whose call has halves to read or to write; ends both of them. Rejects with what it threw. */
export async function runStreams(
  plan: Plan,
  handlers: AnyHandlers,
  request: unknown,
  updates: Receiver | null,
  answers: Sender,
  context: Context,
): Promise<void> {
  try {
    const result = invoke(plan, handlers, request, updates, context)
    if (plan.answers === 'many') {
      if (!isSource(result)) throw new TypeError(`the handler of ${plan.name}: expected an iterable as its answers`)
      const cancelled = () => {
        const reason = rpcError('RPC_CANCELLED', plan.name)
        context.abort(reason)
        // A generator that waits for updates would wait for ever.
        updates?.fail(reason)
      }
      void answers.stopped.then(cancelled)
      await new Pump(result, answers).run()
    } else {
      // Every caller stops the answers of a notify at once.
      if (plan.answers === 'one')
        context.onWatch = () => void answers.stopped.then(() => context.abort(rpcError('RPC_CANCELLED', plan.name)))
      const value = await result
      if (plan.answers === 'one' && answers.open) {
        const room = answers.push(value)
        room?.catch(() => {})
      }
    }
    answers.finish()
  } catch (error) {
    answers.abort(markOf(error))
    throw error
  } finally {
    updates?.close()
  }
}

function invoke(plan: Plan, handlers: AnyHandlers, request: unknown, updates: Receiver | null, context: Context): unknown {
  if (updates === null) return (handlers[plan.name] as AnyHandler).call(handlers, request, context)
  if (plan.updates === 'one') {
    const update = onlyValue(updates)
    // A handler may answer without it.
    update.catch(() => {})
    return (handlers[plan.name] as AnyHandler).call(handlers, request, update, context)
  }
  return (handlers[plan.name] as AnyHandler).call(handlers, request, new Updates(updates), context)
}

/** Updates as handlers iterate over them; leaving the loop stops that half. */
class Updates implements AsyncIterableIterator<unknown, undefined> {
  readonly #receiver: Receiver

  constructor(receiver: Receiver) {
    this.#receiver = receiver
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.#receiver.next()
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.#receiver.close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as Partial<PromiseLike<unknown>>).then === 'function'
}
