// What the native accept loop asks, and who answers.
import { type Connection, makeConnection } from '../endpoint/connection.js'
import { ConnectionCore } from '../endpoint/connection-core.js'
import type { Sink } from '../endpoint/call.js'
import type { EndpointCore } from '../endpoint/endpoint-core.js'
import { readFacts } from '../endpoint/facts.js'
import { decideIncoming, type Incoming, isUndecided, makeIncoming } from '../endpoint/incoming.js'
import { applicationCodeOf, GaiwanError } from '../errors.js'
import type { NativeRoute } from '../native.js'
import { type Bytes, text } from '../wire/bytes.js'
import { oneOf } from '../wire/check.js'
import { AcceptingHandshake } from './accepting.js'
import { type IncomingVerdict, NATIVE, type NativeHandler, type ProtocolHandler } from './handler.js'

/** ALPNs and who speaks them. */
export interface Route {
  readonly alpns: Bytes[]
  readonly handler: ProtocolHandler
}

/** Types of items; see `docs/design/boundary.md`. */
const ASK = 1
const CONNECTION = 2
const ACCEPTING = 3
const SHUTDOWN = 4
/** Words `type, route, token` before the rest. */
const HEAD_BYTES = 12
const VERDICTS = ['accept', 'retry', 'refuse', 'ignore'] as const

/** Takes the items of one router. */
export class Routes implements Sink {
  readonly #endpoint: EndpointCore
  readonly #routes: readonly Route[]
  readonly #filter: ((incoming: Incoming) => IncomingVerdict) | null
  /** One shutdown a handler, also when it has several routes. */
  readonly #shutdowns = new Map<ProtocolHandler, Promise<void>>()

  constructor(endpoint: EndpointCore, routes: readonly Route[], filter: ((incoming: Incoming) => IncomingVerdict) | null) {
    this.#endpoint = endpoint
    this.#routes = routes
    this.#filter = filter
  }

  get native(): NativeRoute[] {
    return this.#routes.map(({ alpns, handler }) => {
      const route = { alpns, accepting: handler.onAccepting !== undefined }
      return NATIVE in handler ? { ...route, native: (handler as NativeHandler)[NATIVE] } : route
    })
  }

  /** Whether attempts must be asked about. */
  get asks(): boolean {
    return this.#filter !== null || this.#routes.some(({ handler }) => handler.onIncoming !== undefined)
  }

  take(aux: number, body: Bytes): void {
    const view = new DataView(body.buffer, body.byteOffset, body.length)
    const [type, route, token] = [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)]
    const { handler } = this.#routes[route] as Route
    switch (type) {
      case ASK:
        void this.#ask(makeIncoming(this.#endpoint, aux, body.subarray(HEAD_BYTES)))
        break
      case CONNECTION: {
        const connection = makeConnection(new ConnectionCore(this.#endpoint, aux, readFacts(body, HEAD_BYTES)))
        void this.#settled(token, this.#run(handler, connection))
        break
      }
      case ACCEPTING: {
        const { remoteAddress } = JSON.parse(text(body.subarray(HEAD_BYTES))) as { remoteAddress: string }
        const accepting = new AcceptingHandshake(this.#endpoint, aux, remoteAddress, handler.early === true)
        void this.#settled(token, this.#runAccepting(handler, accepting))
        break
      }
      case SHUTDOWN:
        void this.#settled(token, this.#shutdown(handler))
        break
    }
  }

  end(): void {}

  async #settled(token: number, work: Promise<void>): Promise<void> {
    await work
    this.#endpoint.bridge.direct.settle(token)
  }

  /** Never rejects. */
  async #ask(incoming: Incoming): Promise<void> {
    let verdict: IncomingVerdict = 'refuse'
    try {
      verdict = this.#filter === null ? 'accept' : oneOf(this.#filter(incoming), 'the verdict of the filter', VERDICTS)
      if (verdict === 'accept' && !(await this.#allLetIn(incoming))) verdict = 'refuse'
    } catch (error) {
      verdict = 'refuse'
      this.#endpoint.handlerError(error, undefined)
    }
    // The filter or a handler may have decided by itself.
    if (!isUndecided(incoming)) return
    try {
      this.#decide(incoming, verdict)
    } catch (error) {
      if (!GaiwanError.is(error, 'INCOMING_DECIDED')) this.#endpoint.handlerError(error, undefined)
    }
  }

  async #allLetIn(incoming: Incoming): Promise<boolean> {
    for (const { handler } of this.#routes) {
      if (handler.onIncoming !== undefined && (await handler.onIncoming(incoming)) === false) return false
    }
    return true
  }

  #decide(incoming: Incoming, verdict: IncomingVerdict): void {
    switch (verdict) {
      case 'accept':
        decideIncoming(incoming, (native, handle) => native.incomingProceed(handle))
        break
      case 'ignore':
        incoming.ignore()
        break
      case 'retry':
        // One that has a proven address cannot come again.
        if (incoming.addressValidated) incoming.refuse()
        else incoming.retry()
        break
      case 'refuse':
        incoming.refuse()
        break
    }
  }

  async #runAccepting(handler: ProtocolHandler, accepting: AcceptingHandshake): Promise<void> {
    try {
      const connection = (await handler.onAccepting?.(accepting)) ?? (await accepting.finish())
      await this.#run(handler, connection)
    } catch (error) {
      this.#endpoint.handlerError(error, undefined)
    } finally {
      // Gives the handshake up if nobody finished it.
      accepting.release()
    }
  }

  /** The life of a connection. Never rejects. */
  async #run(handler: ProtocolHandler, connection: Connection): Promise<void> {
    let code = 0n
    try {
      await handler.accept(connection)
    } catch (error) {
      code = applicationCodeOf(error)
      this.#endpoint.handlerError(error, connection)
    }
    connection.close(code)
  }

  /** Never rejects: one handler that fails must not stop the others. */
  #shutdown(handler: ProtocolHandler): Promise<void> {
    const running = this.#shutdowns.get(handler) ?? this.#runShutdown(handler)
    this.#shutdowns.set(handler, running)
    return running
  }

  async #runShutdown(handler: ProtocolHandler): Promise<void> {
    try {
      await handler.shutdown?.()
    } catch (error) {
      this.#endpoint.handlerError(error, undefined)
    }
  }
}
