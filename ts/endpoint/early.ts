// Connections whose handshake may still run: 0-RTT at either side.
import type { Bytes, BytesLike } from '../wire/bytes.js'
import { code as checkCode, signalOf, toBytes } from '../wire/check.js'
import { type BiStream, makeBi } from './bi.js'
import { accept, biOf, type Connection, makeConnection, uniOf } from './connection.js'
import type { ConnectionCore } from './connection-core.js'
import { readFacts } from './facts.js'
import type { EndpointId } from './key.js'
import { open, type OpenOptions } from './open.js'
import type { WaitOptions } from './options.js'
import type { RecvStream } from './recv.js'
import { makeSend, type SendStream } from './send.js'

let makeDialed: (core: ConnectionCore, remoteId: EndpointId) => EarlyConnection
let makeAccepted: (core: ConnectionCore) => EarlyIncoming
let unwrapAccepted: (early: EarlyIncoming) => ConnectionCore

/** What both sides share: the way from an early connection to a full one. */
class Handshake {
  readonly core: ConnectionCore
  #connection: Connection | null = null

  constructor(core: ConnectionCore) {
    this.core = core
  }

  async run(options: WaitOptions | undefined): Promise<Connection> {
    const signal = signalOf(options)
    signal?.throwIfAborted()
    const { core } = this
    if (core.facts.early) {
      const { bridge, handle } = core
      const facts = await bridge.call(
        (native, id) => native.handshake(id, handle),
        (_, body) => readFacts(body),
        { signal, keep: core },
      )
      // The native core may still call it early when both are told at once; now it is done.
      core.facts = { ...facts, early: false }
    }
    this.#connection ??= makeConnection(core)
    return this.#connection
  }
}

/**
 * A dialed connection whose handshake may still run.
 *
 * @example
 * ```ts
 * const early = await endpoint.connectEarly(addr, 'example/price/1')
 * const { send, recv } = await early.openBi()
 * ```
 */
export class EarlyConnection implements AsyncDisposable {
  readonly #core: ConnectionCore
  readonly #handshake: Handshake
  readonly #remoteId: EndpointId
  #accepted: Promise<boolean> | null = null

  static {
    makeDialed = (core, remoteId) => new EarlyConnection(core, remoteId)
  }

  private constructor(core: ConnectionCore, remoteId: EndpointId) {
    this.#core = core
    this.#handshake = new Handshake(core)
    this.#remoteId = remoteId
  }

  get remoteId(): EndpointId {
    return this.#remoteId
  }

  /** Whether a ticket was at hand; false: this is an ordinary connection already. */
  get attempted(): boolean {
    return this.#core.wasEarly
  }

  /** True only if the peer took the early data. Else streams opened before fail with EARLY_DATA_REJECTED: send again on new ones. */
  get accepted(): Promise<boolean> {
    if (this.#accepted === null) {
      this.#accepted = this.#askAccepted()
      // Who looks and does not wait hears of a failure by `handshake`.
      this.#accepted.catch(() => {})
    }
    return this.#accepted
  }

  openBi(options?: OpenOptions): Promise<BiStream> {
    return open(this.#core, true, makeBi, options)
  }

  openUni(options?: OpenOptions): Promise<SendStream> {
    return open(this.#core, false, makeSend, options)
  }

  sendDatagram(data: BytesLike): void {
    const bytes = toBytes(data, 'data')
    this.#core.native((bridge, handle) => bridge.loose.sendDatagram(handle, bytes))
  }

  /** The full connection. Codes: handshake. */
  handshake(options?: WaitOptions): Promise<Connection> {
    return this.#handshake.run(options)
  }

  close(code: number | bigint = 0, reason: BytesLike = ''): void {
    this.#core.close(checkCode(code, 'code'), toBytes(reason, 'reason'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #askAccepted(): Promise<boolean> {
    if (!this.#core.wasEarly) return false
    const { bridge, handle } = this.#core
    return bridge.call(
      (native, id) => native.earlyAccepted(id, handle),
      (aux) => aux === 1,
      { keep: this.#core },
    )
  }
}

/**
 * An accepted connection whose peer is not known yet.
 *
 * @example
 * ```ts
 * const early = await incoming.acceptEarly()
 * const stream = await early.acceptBi()
 * const connection = await early.handshake() // from here on the peer is known
 * ```
 */
export class EarlyIncoming implements AsyncDisposable {
  readonly #core: ConnectionCore
  readonly #handshake: Handshake

  static {
    makeAccepted = (core) => new EarlyIncoming(core)
    unwrapAccepted = (early) => early.#core
  }

  private constructor(core: ConnectionCore) {
    this.#core = core
    this.#handshake = new Handshake(core)
  }

  acceptBi(options?: WaitOptions): Promise<BiStream | null> {
    return accept(() => biOf(this.#core), options)
  }

  acceptUni(options?: WaitOptions): Promise<RecvStream | null> {
    return accept(() => uniOf(this.#core), options)
  }

  datagrams(): AsyncIterable<Bytes> {
    return this.#core.datagrams.iterate()
  }

  /** The full connection, peer known. Codes: handshake. */
  handshake(options?: WaitOptions): Promise<Connection> {
    return this.#handshake.run(options)
  }

  close(code: number | bigint = 0, reason: BytesLike = ''): void {
    this.#core.close(checkCode(code, 'code'), toBytes(reason, 'reason'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }
}

export function makeEarlyConnection(core: ConnectionCore, remoteId: EndpointId): EarlyConnection {
  return makeDialed(core, remoteId)
}

/** The core of an accepted connection whose handshake may still run. */
export function earlyCore(early: EarlyIncoming): ConnectionCore {
  return unwrapAccepted(early)
}

export function makeEarlyIncoming(core: ConnectionCore): EarlyIncoming {
  return makeAccepted(core)
}
