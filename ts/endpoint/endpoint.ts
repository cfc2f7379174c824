// The local socket with an identity, as users hold it.
import type { BytesLike } from '../wire/bytes.js'
import { alpns as checkAlpns, oneOf, shortText, signalOf } from '../wire/check.js'
import { type Dialable, type EndpointAddr, EndpointTicket, toAddr, toAddress } from './addr.js'
import { type Connection, makeConnection } from './connection.js'
import { type Dial, dial } from './dial.js'
import { type EarlyConnection, makeEarlyConnection } from './early.js'
import { EndpointCore, type EndpointEvents } from './endpoint-core.js'
import type { Incoming } from './incoming.js'
import { type EndpointId, type SecretKey, toId } from './key.js'
import { dialable, type LocalAddress } from './local.js'
import { type AddressLookup, checkLookup, type LookupResult } from './lookup.js'
import { prometheus } from './metrics.js'
import {
  type ConnectOptions,
  connectOptions,
  type EndpointOptions,
  MAX_USER_DATA_BYTES,
  offered,
  settings,
  type WaitOptions,
} from './options.js'
import { type LookupCounts, Resolution } from './resolve.js'
import type { PathKind } from './stats.js'

export interface RemoteInfo {
  readonly id: EndpointId
  readonly addresses: readonly { readonly address: string; readonly kind: PathKind; readonly usage: 'active' | 'inactive' }[]
}

let unwrap: (endpoint: Endpoint) => EndpointCore

/**
 * The local socket with an identity. Keeps the process alive while open.
 *
 * @example
 * ```ts
 * await using endpoint = await Endpoint.bind()
 * const connection = await endpoint.connect(ticket, 'example/echo/1')
 * ```
 */
export class Endpoint implements AsyncIterable<Incoming>, AsyncDisposable {
  readonly #core: EndpointCore
  readonly #counts: LookupCounts = { lookups: 0, failed: 0 }
  /** The lookups in use. */
  readonly lookups: { add(lookup: AddressLookup): void; clear(): void }

  static {
    unwrap = (endpoint) => endpoint.#core
  }

  private constructor(core: EndpointCore) {
    this.#core = core
    this.lookups = {
      add: (lookup) => core.publisher.add(checkLookup(lookup, 'lookup')),
      clear: () => core.publisher.clear(),
    }
  }

  /** Codes: BIND_FAILED. */
  static async bind(options: EndpointOptions = {}): Promise<Endpoint> {
    return new Endpoint(await EndpointCore.bind(settings(options)))
  }

  get id(): EndpointId {
    return this.#core.id
  }

  get secretKey(): SecretKey {
    return this.#core.settings.secretKey
  }

  /** `'ip:port'` of each socket. */
  get boundAddresses(): readonly string[] {
    return this.#core.bound
  }

  /** What others need to dial this endpoint, as known now. */
  get addr(): EndpointAddr {
    return this.#core.addr
  }

  /** `addr` as an `endpoint…` ticket. */
  ticket(): string {
    return EndpointTicket.encode(this.addr)
  }

  /** Dials. Several ALPNs may be offered: the acceptor's order decides, `connection.alpn` tells. Codes: endpoint and handshake. */
  async connect(to: Dialable, alpn: BytesLike | readonly BytesLike[], options?: ConnectOptions): Promise<Connection> {
    return makeConnection(await dial(this.#core, this.#counts, dialOf(to, alpn, options, false)))
  }

  /** Dials with 0-RTT if a ticket of an earlier connection is at hand; early data can be replayed, so send only what may run twice. */
  async connectEarly(to: Dialable, alpn: BytesLike, options?: ConnectOptions): Promise<EarlyConnection> {
    const what = dialOf(to, alpn, options, true)
    return makeEarlyConnection(await dial(this.#core, this.#counts, what), what.to.id)
  }

  /** The next attempt; null once closed. Many may wait, each attempt goes to one. */
  async accept(options?: WaitOptions): Promise<Incoming | null> {
    return this.#core.incoming.next(signalOf(options))
  }

  /** Ends on close. */
  [Symbol.asyncIterator](): AsyncIterator<Incoming, undefined, undefined> {
    return {
      next: async () => {
        const value = await this.accept()
        return value === null ? { value: undefined, done: true } : { value, done: false }
      },
      return: () => Promise.resolve({ value: undefined, done: true }),
    }
  }

  /** For later attempts; running connections keep theirs. */
  setAlpns(alpns: readonly BytesLike[]): void {
    const checked = checkAlpns(alpns)
    this.#core.check()
    this.#core.bridge.direct.setAlpns(this.#core.handle, checked)
  }

  /** Counters and gauges by name, or the same as Prometheus text. */
  metrics(): Record<string, number>
  metrics(format: 'prometheus'): string
  metrics(format?: 'prometheus'): Record<string, number> | string {
    if (format !== undefined) oneOf(format, 'format', ['prometheus'])
    this.#core.check()
    const metrics = {
      ...this.#core.bridge.loose.metrics(this.#core.handle),
      address_lookup_lookups: this.#counts.lookups,
      address_lookup_lookups_failed: this.#counts.failed,
      address_lookup_services: this.#core.publisher.lookups.length,
    }
    return format === undefined ? metrics : prometheus(metrics)
  }

  /** The newest `addr`, at once and after each change; ends on close. */
  watchAddr(): AsyncIterable<EndpointAddr> {
    return this.#core.addrs.watch()
  }

  /** Adds an address that others may dial. */
  addExternalAddress(address: string): void {
    const { external } = this.#core
    const before = external.size
    external.add(toAddress(address, 'address'))
    if (external.size !== before) this.#core.addrChanged()
  }

  /** Whether it was there. */
  removeExternalAddress(address: string): boolean {
    const was = this.#core.external.delete(toAddress(address, 'address'))
    if (was) this.#core.addrChanged()
    return was
  }

  /** Addresses of this machine and how each was learned. */
  localAddresses(): readonly LocalAddress[] {
    const { bound, external } = this.#core
    const sockets = dialable(bound).map((address) => ({ address, source: 'socket' as const }))
    return [...sockets, ...[...external].map((address) => ({ address, source: 'external' as const }))]
  }

  /** What is known of a peer, null if nothing. */
  remoteInfo(id: EndpointId | Uint8Array): RemoteInfo | null {
    const hex = toId(id, 'id')
    this.#core.check()
    const known = this.#core.bridge.loose.remoteInfo(this.#core.handle, hex)
    if (known === null) return null
    return {
      id: hex,
      addresses: known.map(({ address, usage }) => ({ address, kind: 'direct', usage: usage as 'active' | 'inactive' })),
    }
  }

  /** Asks all lookups; results stream in, failures are left out. Codes: LOOKUP_FAILED if all failed. */
  resolve(id: EndpointId | Uint8Array, options?: WaitOptions): AsyncIterable<LookupResult> {
    const hex = toId(id, 'id')
    const signal = signalOf(options)
    const { publisher, abort } = this.#core
    return {
      [Symbol.asyncIterator]: () => {
        const either = signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal])
        return new Resolution(publisher.lookups, hex, this.#counts, either)
      },
    }
  }

  /** Text that publishing lookups carry; null removes it. */
  setUserData(text: string | null): void {
    const checked = text === null ? null : shortText(text, 'text', MAX_USER_DATA_BYTES)
    this.#core.publisher.setUserData(checked, this.addr)
  }

  /** Tells that the network changed: rebinds and re-publishes. */
  networkChanged(): Promise<void> {
    return this.#core.rebind()
  }

  on<K extends keyof EndpointEvents>(event: K, listener: (...args: EndpointEvents[K]) => void): this {
    this.#core.events.on(checkEvent(event), listener)
    return this
  }

  off<K extends keyof EndpointEvents>(event: K, listener: (...args: EndpointEvents[K]) => void): this {
    this.#core.events.off(checkEvent(event), listener)
    return this
  }

  /** Lets the process exit although the endpoint is open. */
  unref(): this {
    this.#core.unref()
    return this
  }

  get isClosed(): boolean {
    return this.#core.isClosed
  }

  /** Resolves when closed; never rejects. */
  get closed(): Promise<void> {
    return this.#core.closed
  }

  /** Aborted on close. */
  get signal(): AbortSignal {
    return this.#core.abort.signal
  }

  /** Graceful: peers are told. Every pending promise settles first. Idempotent. */
  close(): Promise<void> {
    return this.#core.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function dialOf(to: Dialable, alpn: BytesLike | readonly BytesLike[], options: ConnectOptions | undefined, early: boolean): Dial {
  const { native, signal } = connectOptions(options)
  return { to: toAddr(to, 'to'), alpns: offered(alpn), options: early ? { ...native, early } : native, signal }
}

function checkEvent<K extends keyof EndpointEvents>(event: K): K {
  return oneOf(event, 'event', ['addr', 'handlerError', 'closed']) as K
}

/** What belongs to an endpoint; else a `TypeError`. */
export function endpointCore(endpoint: Endpoint, name: string): EndpointCore {
  if (!(endpoint instanceof Endpoint)) throw new TypeError(`${name}: expected an Endpoint`)
  return unwrap(endpoint)
}
