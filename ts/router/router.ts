// Gives each connection to the handler of its ALPN. The loop itself is native; this is what it asks.
import { type Endpoint, endpointCore } from '../endpoint/endpoint.js'
import type { EndpointCore } from '../endpoint/endpoint-core.js'
import type { Incoming } from '../endpoint/incoming.js'
import { fromThrown } from '../errors.js'
import type { BytesLike } from '../wire/bytes.js'
import { alpns as checkAlpns, func, alpn as oneAlpn } from '../wire/check.js'
import { type IncomingVerdict, type ProtocolHandler, toHandler } from './handler.js'
import { type Route, Routes } from './routes.js'

export interface RouterBuilder {
  /** A handler or plain function for one or more ALPNs; order is preference, a duplicate is a `TypeError`. */
  accept(alpn: BytesLike | readonly BytesLike[], handler: ProtocolHandler | ProtocolHandler['accept']): this
  /** Asked for every attempt before any handler. */
  filter(decide: (incoming: Incoming) => IncomingVerdict): this
  /** Sets the endpoint's ALPNs and starts accepting. */
  spawn(): Router
}

let make: (endpoint: Endpoint, core: EndpointCore, handle: number) => Router

/**
 * Gives each connection to the handler of its ALPN.
 *
 * @example
 * ```ts
 * const router = Router.builder(await Endpoint.bind())
 *   .accept('example/echo/1', async (connection) => {
 *     await connection.serve((body) => body)
 *   })
 *   .spawn()
 * ```
 */
export class Router implements AsyncDisposable {
  readonly endpoint: Endpoint
  readonly #core: EndpointCore
  readonly #handle: number
  #shutdown: Promise<void> | null = null

  static {
    make = (endpoint, core, handle) => new Router(endpoint, core, handle)
  }

  private constructor(endpoint: Endpoint, core: EndpointCore, handle: number) {
    this.endpoint = endpoint
    this.#core = core
    this.#handle = handle
  }

  static builder(endpoint: Endpoint): RouterBuilder {
    return new Builder(endpoint)
  }

  get isShutdown(): boolean {
    return this.#shutdown !== null || this.#core.isClosed
  }

  /** Stops accepting, awaits each handler's `shutdown`, closes the endpoint. Idempotent. */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#stop()
    return this.#shutdown
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  async #stop(): Promise<void> {
    if (!this.#core.isClosed) {
      await this.#core.bridge.call(
        (native, id) => native.shutdownRouter(id, this.#handle),
        () => {},
        { keep: this },
      )
    }
    // Natively it is closed by now; this settles what waits here.
    await this.endpoint.close()
    this.#core.bridge.releaseHandle(this.#handle)
  }
}

class Builder implements RouterBuilder {
  readonly #endpoint: Endpoint
  readonly #core: EndpointCore
  readonly #routes: Route[] = []
  readonly #names = new Set<string>()
  #filter: ((incoming: Incoming) => IncomingVerdict) | null = null

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
    this.#core = endpointCore(endpoint, 'endpoint')
  }

  accept(alpn: BytesLike | readonly BytesLike[], handler: ProtocolHandler | ProtocolHandler['accept']): this {
    const alpns = Array.isArray(alpn) ? checkAlpns(alpn as readonly BytesLike[], 'alpn') : [oneAlpn(alpn as BytesLike)]
    if (alpns.length === 0) throw new RangeError('alpn: expected at least one')
    const names = alpns.map((bytes) => bytes.join())
    if (names.some((name) => this.#names.has(name))) throw new TypeError('alpn: expected an ALPN that has no handler yet')
    this.#routes.push({ alpns, handler: toHandler(handler, 'handler') })
    for (const name of names) this.#names.add(name)
    return this
  }

  filter(decide: (incoming: Incoming) => IncomingVerdict): this {
    this.#filter = func(decide, 'decide')
    return this
  }

  spawn(): Router {
    const core = this.#core
    core.check()
    const routes = new Routes(core, [...this.#routes], this.#filter)
    const { bridge } = core
    const sub = bridge.nextId()
    bridge.listen(sub, routes)
    try {
      const handle = bridge.direct.spawnRouter(core.handle, sub, routes.native, routes.asks)
      return make(this.#endpoint, core, handle)
    } catch (error) {
      bridge.cancel(sub)
      throw fromThrown(error)
    }
  }
}
