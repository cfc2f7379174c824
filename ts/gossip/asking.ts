// What the native instance asks: who may connect, and connections to peers that lookups or hooks have to do with.
import type { Sink } from '../endpoint/call.js'
import type { EndpointAddr } from '../endpoint/addr.js'
import { connectionCore } from '../endpoint/connection.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { EndpointCore } from '../endpoint/endpoint-core.js'
import type { EndpointId } from '../endpoint/key.js'
import { GaiwanError } from '../errors.js'
import { type Bytes, hex } from '../wire/bytes.js'

/** Answers whether a peer may connect. Silence is no natively, after 5 s. */
export class Questions implements Sink {
  readonly #endpoint: EndpointCore
  readonly #accept: (remoteId: EndpointId) => boolean

  constructor(endpoint: EndpointCore, accept: (remoteId: EndpointId) => boolean) {
    this.#endpoint = endpoint
    this.#accept = accept
  }

  take(token: number, id: Bytes): void {
    void this.#ask(hex(id)).then((yes) => this.#endpoint.bridge.direct.gossipAccepted(token, yes))
  }

  end(): void {}

  /** Never rejects: one that throws says no. A promise is waited for, though none is asked for. */
  async #ask(remoteId: EndpointId): Promise<boolean> {
    try {
      return (await this.#accept(remoteId)) === true
    } catch (error) {
      this.#endpoint.handlerError(error, undefined)
      return false
    }
  }
}

/** Dials with the lookups and the hooks of the endpoint. */
export class Dials implements Sink {
  readonly #endpoint: Endpoint
  readonly #core: EndpointCore
  readonly #alpn: string

  constructor(endpoint: Endpoint, core: EndpointCore, alpn: string) {
    this.#endpoint = endpoint
    this.#core = core
    this.#alpn = alpn
  }

  take(token: number, question: Bytes): void {
    const addresses = Buffer.from(question.subarray(32)).toString().split(',').filter(Boolean)
    void this.#dial(token, { id: hex(question.subarray(0, 32)), addresses })
  }

  end(): void {}

  /** Never rejects. */
  async #dial(token: number, to: EndpointAddr): Promise<void> {
    const { bridge } = this.#core
    try {
      const { lease } = connectionCore(await this.#endpoint.connect(to, this.#alpn), 'connection')
      bridge.direct.gossipDialed(token, lease.handle, null, null)
      // Natively it lives on; here nobody has a use for it.
      bridge.release(lease)
    } catch (error) {
      const { code, message } = GaiwanError.is(error) ? error : new GaiwanError('LOOKUP_FAILED', String(error))
      bridge.direct.gossipDialed(token, null, code, message)
    }
  }
}
