// Gives each connection to the handler of its ALPN. The loop itself is native; this is what it asks.
import { type Endpoint, endpointCore } from '../endpoint/endpoint.js'
import type { EndpointCore } from '../endpoint/endpoint-core.js'
import type { Incoming } from '../endpoint/incoming.js'
import { fromThrown } from '../errors.js'
import type { Bytes, BytesLike } from '../wire/bytes.js'
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

let make: (endpoint: Endpoint, core: EndpointCore, running: Running) => Router
let change: (router: Router, change: (routes: readonly Route[]) => readonly Route[]) => void

/** What a running router consists of. */
interface Running {
  readonly routes: readonly Route[]
  readonly filter: ((incoming: Incoming) => IncomingVerdict) | null
  readonly handle: number
}

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
  #running: Running
  #shutdown: Promise<void> | null = null

  static {
    make = (endpoint, core, running) => new Router(endpoint, core, running)
    change = (router, of) => router.#change(of)
  }

  private constructor(endpoint: Endpoint, core: EndpointCore, running: Running) {
    this.endpoint = endpoint
    this.#core = core
    this.#running = running
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

  /** A native router has its routes for good: one with the new routes takes its place. Connections that it has stay as they are. */
  #change(of: (routes: readonly Route[]) => readonly Route[]): void {
    if (this.isShutdown) return
    const { routes, filter, handle } = this.#running
    this.#running = run(this.#core, of(routes), filter)
    this.#core.bridge.releaseHandle(handle)
  }

  async #stop(): Promise<void> {
    const { handle } = this.#running
    if (!this.#core.isClosed) {
      await this.#core.bridge.call(
        (native, id) => native.shutdownRouter(id, handle),
        () => {},
        { keep: this },
      )
    }
    // Natively it is closed by now; this settles what waits here.
    await this.endpoint.close()
    this.#core.bridge.releaseHandle(handle)
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
    return make(this.#endpoint, this.#core, run(this.#core, [...this.#routes], this.#filter))
  }
}

/** Starts a native router; it takes the place of one that runs. */
function run(core: EndpointCore, list: readonly Route[], filter: Running['filter']): Running {
  core.check()
  const routes = new Routes(core, list, filter)
  const { bridge } = core
  const sub = bridge.nextId()
  bridge.listen(sub, routes)
  try {
    return { routes: list, filter, handle: bridge.direct.spawnRouter(core.handle, sub, routes.native, routes.asks) }
  } catch (error) {
    bridge.cancel(sub)
    throw fromThrown(error)
  }
}

/**
 * Adds a handler to a running router; call the answer to take it away. Its `shutdown` is called only while it is there.
 *
 * @internal
 */
export function addRoute(router: Router, alpn: readonly Bytes[], handler: ProtocolHandler): () => void {
  const route: Route = { alpns: [...alpn], handler }
  change(router, (routes) => {
    const taken = new Set(routes.flatMap(({ alpns }) => alpns.map((bytes) => bytes.join())))
    if (alpn.some((bytes) => taken.has(bytes.join()))) throw new TypeError('router: expected one that has no handler for this ALPN yet')
    return [...routes, route]
  })
  return () => change(router, (routes) => routes.filter((one) => one !== route))
}
