// A service as a handler of the Router.
import type { Connection } from '../endpoint/connection.js'
import type { ProtocolHandler } from '../router/handler.js'
import { MAX_MESSAGE_BYTES } from '../wire/postcard/message.js'
import { type AnyHandlers, checkHandlers } from './handling.js'
import { type ServerOptions, type ServerSettings, serverSettings } from './options.js'
import { type Definition, definitionOf, type Service } from './service.js'
import { Serving } from './serving.js'
import type { Handlers } from './types.js'

/**
 * A handler for the Router; a factory gives each connection handlers of its own. One that rejects closes the connection
 * with the error's `applicationCode`, before any request is read.
 *
 * A handler that throws fails its call alone: the caller gets RPC_HANDLER_FAILED, `onError` the rest. After `shutdown`
 * new requests are refused with RPC_SHUTTING_DOWN; those under way have `drainMs`, then their signals abort.
 *
 * @example
 * ```ts
 * router.accept('gaiwan/tea/1', serve(Tea, {
 *   Get: ({ key }) => store.get(key),
 *   async *List() { yield* store.entries() },
 *   Log: (line) => console.log(line),
 * }))
 * ```
 */
export function serve<S extends Service>(
  service: S,
  handlers: Handlers<S> | ((connection: Connection) => Handlers<S> | Promise<Handlers<S>>),
  options?: ServerOptions,
): ProtocolHandler {
  const definition = definitionOf(service)
  const settings = serverSettings(options)
  if (settings.early) throw new TypeError('early: not offered yet')
  const own = typeof handlers === 'function' ? null : checkHandlers(definition, handlers)
  const make = async (connection: Connection) =>
    checkHandlers(definition, await (handlers as (connection: Connection) => Handlers<S> | Promise<Handlers<S>>)(connection))
  return new ServiceHandler(definition, settings, own, make)
}

class ServiceHandler implements ProtocolHandler {
  readonly #definition: Definition
  readonly #settings: ServerSettings
  readonly #handlers: AnyHandlers | null
  readonly #make: (connection: Connection) => Promise<AnyHandlers>
  readonly #maxBytes: number
  readonly #serving = new Set<Serving>()
  #closed = false

  constructor(
    definition: Definition,
    settings: ServerSettings,
    handlers: AnyHandlers | null,
    make: (connection: Connection) => Promise<AnyHandlers>,
  ) {
    this.#definition = definition
    this.#settings = settings
    this.#handlers = handlers
    this.#make = make
    const { plans, spans } = definition
    // What trace context takes is not known before it is read.
    this.#maxBytes = spans ? MAX_MESSAGE_BYTES : Math.max(0, ...plans.map((plan) => plan?.maxRequestBytes ?? 0))
  }

  async accept(connection: Connection): Promise<void> {
    const handlers = this.#handlers ?? (await this.#make(connection))
    const serving = new Serving(this.#definition, this.#settings, connection, handlers, this.#maxBytes)
    this.#serving.add(serving)
    if (this.#closed) void serving.shutdown()
    try {
      await serving.over
    } finally {
      this.#serving.delete(serving)
    }
  }

  async shutdown(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#serving].map((serving) => serving.shutdown()))
  }
}
