// A handshake under way, for handlers that take part in it.
import { makeConnection } from '../endpoint/connection.js'
import type { Connection } from '../endpoint/connection.js'
import { ConnectionCore } from '../endpoint/connection-core.js'
import { type EarlyIncoming, makeEarlyIncoming } from '../endpoint/early.js'
import type { EndpointCore } from '../endpoint/endpoint-core.js'
import { readFacts } from '../endpoint/facts.js'
import { Lease } from '../endpoint/lease.js'
import { GaiwanError } from '../errors.js'
import { type Bytes, copy } from '../wire/bytes.js'
import type { Accepting } from './handler.js'

/** `finish` or `early` once; dropped without either the handshake is given up. */
export class AcceptingHandshake implements Accepting {
  readonly remoteAddress: string
  readonly #endpoint: EndpointCore
  readonly #lease: Lease
  readonly #earlyAllowed: boolean

  constructor(endpoint: EndpointCore, handle: number, remoteAddress: string, earlyAllowed: boolean) {
    this.#endpoint = endpoint
    this.#lease = new Lease(handle)
    this.remoteAddress = remoteAddress
    this.#earlyAllowed = earlyAllowed
    endpoint.bridge.own(this, this.#lease)
  }

  alpn(): Promise<Bytes> {
    const { handle } = this.#lease
    return this.#endpoint.bridge.call(
      (native, id) => native.acceptingAlpn(id, handle),
      (_, body) => copy(body),
      this.#options,
    )
  }

  async finish(): Promise<Connection> {
    const { handle } = this.#lease
    const core = await this.#endpoint.bridge.call(
      (native, id) => native.acceptingFinish(id, handle),
      (connection, facts) => new ConnectionCore(this.#endpoint, connection, readFacts(facts)),
      this.#options,
    )
    this.release()
    return makeConnection(core)
  }

  async early(): Promise<EarlyIncoming> {
    if (!this.#earlyAllowed) throw new GaiwanError('NOT_ALLOWED', 'the handler does not say early: true')
    const { handle } = this.#lease
    const core = await this.#endpoint.bridge.call(
      (native, id) => native.acceptingEarly(id, handle),
      (connection, facts) => new ConnectionCore(this.#endpoint, connection, readFacts(facts)),
      this.#options,
    )
    this.release()
    return makeEarlyIncoming(core)
  }

  /** Gives the handshake up, unless it was taken. */
  release(): void {
    this.#endpoint.bridge.release(this.#lease)
  }

  get #options() {
    return { group: this.#endpoint.pending, keep: this }
  }
}
