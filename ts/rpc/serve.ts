// A service as a handler of the Router.
import { type Connection, connectionCore } from '../endpoint/connection.js'
import type { ConnectionCore } from '../endpoint/connection-core.js'
import { earlyCore } from '../endpoint/early.js'
import type { Accepting, ProtocolHandler } from '../router/handler.js'
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
  const own = typeof handlers === 'function' ? null : checkHandlers(definition, handlers)
  const make = async (connection: Connection) =>
    checkHandlers(definition, await (handlers as (connection: Connection) => Handlers<S> | Promise<Handlers<S>>)(connection))
  return settings.early ? new EarlyServiceHandler(definition, settings, own, make) : new ServiceHandler(definition, settings, own, make)
}

class ServiceHandler implements ProtocolHandler {
  readonly #definition: Definition
  readonly #settings: ServerSettings
  /** Null: each connection has its own. */
  protected readonly handlers: AnyHandlers | null
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
    this.handlers = handlers
    this.#make = make
    const { plans, spans } = definition
    // What trace context takes is not known before it is read.
    this.#maxBytes = spans ? MAX_MESSAGE_BYTES : Math.max(0, ...plans.map((plan) => plan?.maxRequestBytes ?? 0))
  }

  async accept(connection: Connection): Promise<void> {
    const handlers = this.handlers ?? (await this.#make(connection))
    await this.start(connectionCore(connection, 'connection'), connection, handlers).over
  }

  protected start(core: ConnectionCore, connection: Connection | null, handlers: AnyHandlers): Serving {
    const serving = new Serving(this.#definition, this.#settings, core, connection, handlers, this.#maxBytes)
    this.#serving.add(serving)
    if (this.#closed) void serving.shutdown()
    const over = () => void this.#serving.delete(serving)
    serving.over.then(over, over)
    return serving
  }

  async shutdown(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#serving].map((serving) => serving.shutdown()))
  }
}

/** Takes requests before the handshake is done; handlers of a factory, which needs to know the peer, come after it. */
class EarlyServiceHandler extends ServiceHandler {
  readonly early = true
  /** Those that were started before their connection was accepted. */
  readonly #started = new WeakMap<Connection, Serving>()

  async onAccepting(accepting: Accepting): Promise<Connection> {
    const early = await accepting.early()
    if (this.handlers === null) return early.handshake()
    const serving = this.start(earlyCore(early), null, this.handlers)
    const connection = await early.handshake()
    this.#started.set(connection, serving)
    serving.confirm(connection)
    return connection
  }

  override async accept(connection: Connection): Promise<void> {
    const serving = this.#started.get(connection)
    if (serving === undefined) return super.accept(connection)
    await serving.over
  }
}
