// Attempts, before their handshake.
import { fromThrown, GaiwanError } from '../errors.js'
import type { NativeBridge } from '../native.js'
import { type Bytes, text } from '../wire/bytes.js'
import { type Connection, makeConnection } from './connection.js'
import { ConnectionCore } from './connection-core.js'
import { type EarlyIncoming, makeEarlyIncoming } from './early.js'
import type { EndpointCore } from './endpoint-core.js'
import { readFacts } from './facts.js'
import type { EndpointId } from './key.js'
import { Lease } from './lease.js'
import { type ConnectOptions, connectOptions } from './options.js'

interface IncomingFacts {
  readonly remoteAddress: string
  readonly localAddress: string | null
  readonly addressValidated: boolean
}

let make: (endpoint: EndpointCore, handle: number, facts: IncomingFacts) => Incoming
let decide: (incoming: Incoming, decision: (native: NativeBridge, handle: number) => void) => void
let undecided: (incoming: Incoming) => boolean

/**
 * An attempt, before its handshake. One decision only (INCOMING_DECIDED); dropped without one it is refused.
 *
 * @example
 * ```ts
 * for await (const incoming of endpoint) {
 *   if (!incoming.addressValidated) incoming.retry()
 *   else void incoming.accept().then(serve, console.error)
 * }
 * ```
 */
export class Incoming {
  readonly #endpoint: EndpointCore
  readonly #lease: Lease
  readonly #facts: IncomingFacts
  /** As the relay knows it; attempts over UDP have none. */
  declare readonly relayedId?: EndpointId

  static {
    make = (endpoint, handle, facts) => new Incoming(endpoint, handle, facts)
    decide = (incoming, decision) => incoming.#decide(decision)
    undecided = (incoming) => incoming.#lease.handle !== 0
  }

  private constructor(endpoint: EndpointCore, handle: number, facts: IncomingFacts) {
    this.#endpoint = endpoint
    this.#facts = facts
    this.#lease = new Lease(handle)
    endpoint.bridge.own(this, this.#lease)
  }

  /** `'ip:port'`, or `'relay:<url> <id>'`. */
  get remoteAddress(): string {
    return this.#facts.remoteAddress
  }

  get localAddress(): string | null {
    return this.#facts.localAddress
  }

  get addressValidated(): boolean {
    return this.#facts.addressValidated
  }

  get kind(): 'direct' | 'relay' {
    return 'direct'
  }

  /** Completes the handshake. Codes: handshake. */
  async accept(options?: ConnectOptions): Promise<Connection> {
    return makeConnection(await this.#accept(options, false))
  }

  /** Before the handshake is done: only for requests that may run twice. */
  async acceptEarly(options?: ConnectOptions): Promise<EarlyIncoming> {
    return makeEarlyIncoming(await this.#accept(options, true))
  }

  /** The dialer fails at once with CONNECTION_REFUSED. */
  refuse(): void {
    this.#decide((native, handle) => native.incomingRefuse(handle))
  }

  /** The dialer must come again with a proven address. Throws RETRY_NOT_ALLOWED if it has. */
  retry(): void {
    this.#decide((native, handle) => native.incomingRetry(handle))
  }

  /** The dialer hears nothing. */
  ignore(): void {
    this.#decide((native, handle) => native.incomingIgnore(handle))
  }

  async #accept(options: ConnectOptions | undefined, early: boolean): Promise<ConnectionCore> {
    const { native: dial, signal } = connectOptions(options)
    signal?.throwIfAborted()
    const endpoint = this.#endpoint
    const { bridge } = endpoint
    const { handle } = this.#lease
    if (handle === 0) throw decided()
    const accepted = bridge.call(
      (native, id) => native.incomingAccept(id, handle, early ? { ...dial, early } : dial),
      (connection, facts) => new ConnectionCore(endpoint, connection, readFacts(facts)),
      { signal, group: endpoint.pending },
    )
    // From here on the attempt belongs to the call.
    this.#lease.handle = 0
    return accepted
  }

  #decide(decision: (native: NativeBridge, handle: number) => void): void {
    const { handle } = this.#lease
    if (handle === 0) throw decided()
    try {
      decision(this.#endpoint.bridge.direct, handle)
    } catch (thrown) {
      const error = fromThrown(thrown)
      // After this one the attempt is still there.
      if (error.code !== 'RETRY_NOT_ALLOWED') this.#lease.handle = 0
      throw error
    }
    this.#lease.handle = 0
  }
}

function decided(): GaiwanError {
  return new GaiwanError('INCOMING_DECIDED', 'this attempt has been decided about already')
}

/** @param facts JSON of the native core */
export function makeIncoming(endpoint: EndpointCore, handle: number, facts: Bytes): Incoming {
  return make(endpoint, handle, JSON.parse(text(facts)) as IncomingFacts)
}

/** Makes a decision that users have no method for. */
export function decideIncoming(incoming: Incoming, decision: (native: NativeBridge, handle: number) => void): void {
  decide(incoming, decision)
}

export function isUndecided(incoming: Incoming): boolean {
  return undecided(incoming)
}
