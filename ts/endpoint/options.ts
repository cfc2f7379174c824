// Options of an endpoint and of one dial: shapes, checks, and how they are said natively.
import type { NativeConnectOptions, NativeEndpointOptions } from '../native.js'
import type { Bytes, BytesLike } from '../wire/bytes.js'
import {
  alpns,
  boolean,
  func,
  integer,
  list,
  MAX_MS,
  MAX_U32,
  number,
  alpn as oneAlpn,
  oneOf,
  shortText,
  signalOf,
  string,
} from '../wire/check.js'
import { type EndpointAddr, toAddress } from './addr.js'
import type { EndpointHook } from './hooks.js'
import { keyFrom, SecretKey } from './key.js'
import { type AddressLookup, checkLookup } from './lookup.js'
import { DEFAULT_MAX_BIDI, nativeTransport, type TransportOptions } from './transport.js'

/** Accepted by everything that waits; an abort rejects with `signal.reason`. */
export interface WaitOptions {
  readonly signal?: AbortSignal
}
/** Bounds on strangers. */
export interface EndpointLimits {
  /** Attempts that wait for a decision; more are dropped [1,024]. */
  readonly maxIncoming?: number
  /** Open connections; more are refused before the handshake [10,000]. */
  readonly maxConnections?: number
  /** Time for a handshake, both roles [10,000]. */
  readonly handshakeTimeoutMs?: number
  /** When dialers must prove their address first ['under-load']. */
  readonly requireRetry?: 'never' | 'under-load' | 'always'
}
/** A socket to bind; `required: false` lets `bind` go on without it [true]. */
export interface BindAddress {
  readonly address: string
  readonly required?: boolean
}
/** Says what the outside may learn, when a lookup publishes. */
export interface PublishOptions {
  /** Which addresses to publish: 'public' is relays and public addresses ['public']. */
  readonly filter?: 'relay' | 'ip' | 'public' | 'all' | ((addr: EndpointAddr) => EndpointAddr)
  /** Free text, up to 245 bytes. */
  readonly userData?: string
}
export interface EndpointOptions {
  /** [a new one] */
  readonly secretKey?: SecretKey | Uint8Array | string
  /** [one dual-stack UDP socket on a free port] */
  readonly bind?: string | BindAddress | readonly (string | BindAddress)[]
  /** What `accept()` takes, most preferred first [none]; a Router sets its own. */
  readonly alpns?: readonly BytesLike[]
  readonly transport?: TransportOptions
  readonly limits?: EndpointLimits
  /** Resolve an id to addresses, all at once [none]. */
  readonly lookup?: readonly AddressLookup[]
  readonly publish?: PublishOptions
  /** Addresses that others may dial and we cannot see, such as a forwarded port [none]. */
  readonly externalAddresses?: readonly string[]
  readonly hooks?: readonly EndpointHook[]
  /** Handshakes kept for 0-RTT by peers that dial us [4,096]. */
  readonly maxTlsTickets?: number
  /** How long `close()` waits for its peers [3,000]. */
  readonly closeTimeoutMs?: number
  /** Folder for qlog files [off]. */
  readonly qlog?: string
  /** Writes TLS secrets to the file named by SSLKEYLOGFILE [false]. */
  readonly keylog?: boolean
}
export interface ConnectOptions extends WaitOptions {
  /** [limits.handshakeTimeoutMs] */
  readonly timeoutMs?: number
  /** Over the endpoint's own. */
  readonly transport?: TransportOptions
}

/** Free text that lookups can carry: what fits a DNS TXT string beside its name. */
export const MAX_USER_DATA_BYTES = 245
const DEFAULT_HANDSHAKE_MS = 10_000
/** Sessions: more would be a memory of its own. */
const MAX_TICKETS = 1_000_000

/** Checked options. */
export interface Settings {
  readonly secretKey: SecretKey
  readonly native: NativeEndpointOptions
  readonly lookups: AddressLookup[]
  readonly hooks: readonly EndpointHook[]
  readonly externalAddresses: string[]
  readonly filter: NonNullable<PublishOptions['filter']>
  readonly userData: string | null
  readonly handshakeTimeoutMs: number
  /** Bi streams that a peer may have open. */
  readonly maxBidi: number
}

/** Checks everything that `bind` takes. */
export function settings(options: EndpointOptions): Settings {
  if (typeof options !== 'object' || options === null) throw new TypeError('options: expected an object')
  const { secretKey, lookup, publish, externalAddresses, hooks } = options
  const native = nativeOptions(options)
  return {
    secretKey: secretKey === undefined ? SecretKey.generate() : keyFrom(secretKey, 'secretKey'),
    native,
    lookups: lookup === undefined ? [] : list(lookup, 'lookup').map((one, n) => checkLookup(one, `lookup[${n}]`)),
    hooks: hooks === undefined ? [] : list(hooks, 'hooks').map((one, n) => checkHook(one, `hooks[${n}]`)),
    externalAddresses:
      externalAddresses === undefined
        ? []
        : list(externalAddresses, 'externalAddresses').map((one, n) => toAddress(one, `externalAddresses[${n}]`)),
    ...publishing(publish),
    handshakeTimeoutMs: native.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_MS,
    maxBidi: native.transport?.maxBidiStreams ?? DEFAULT_MAX_BIDI,
  }
}

function nativeOptions(options: EndpointOptions): NativeEndpointOptions {
  const { bind = [], transport, maxTlsTickets, closeTimeoutMs, qlog, keylog } = options
  const limits = options.limits ?? {}
  if (typeof limits !== 'object' || limits === null) throw new TypeError('limits: expected an object')
  const { maxIncoming, maxConnections, handshakeTimeoutMs, requireRetry } = limits
  const addresses = Array.isArray(bind) ? (bind as readonly (string | BindAddress)[]) : [bind as string | BindAddress]
  const native: NativeEndpointOptions = {
    bind: addresses.map((one, n) => bindAddress(one, Array.isArray(bind) ? `bind[${n}]` : 'bind')),
    alpns: alpns(options.alpns ?? []),
  }
  if (transport !== undefined) native.transport = nativeTransport(transport, 'transport')
  if (maxIncoming !== undefined) native.maxIncoming = integer(maxIncoming, 'limits.maxIncoming', 1, 65_536)
  if (maxConnections !== undefined) native.maxConnections = integer(maxConnections, 'limits.maxConnections', 1, MAX_U32)
  if (handshakeTimeoutMs !== undefined) {
    native.handshakeTimeoutMs = number(handshakeTimeoutMs, 'limits.handshakeTimeoutMs', 1, MAX_MS)
  }
  if (requireRetry !== undefined) {
    native.requireRetry = oneOf(requireRetry, 'limits.requireRetry', ['never', 'under-load', 'always'])
  }
  if (maxTlsTickets !== undefined) native.maxTlsTickets = integer(maxTlsTickets, 'maxTlsTickets', 0, MAX_TICKETS)
  if (closeTimeoutMs !== undefined) native.closeTimeoutMs = number(closeTimeoutMs, 'closeTimeoutMs', 0, MAX_MS)
  if (qlog !== undefined) native.qlog = string(qlog, 'qlog')
  if (keylog !== undefined) native.keylog = boolean(keylog, 'keylog')
  return native
}

function bindAddress(value: string | BindAddress, name: string): { address: string; required: boolean } {
  if (typeof value === 'string') return { address: toAddress(value, name), required: true }
  if (typeof value !== 'object' || value === null) throw new TypeError(`${name}: expected 'ip:port' or { address, required }`)
  const required = value.required === undefined ? true : boolean(value.required, `${name}.required`)
  return { address: toAddress(value.address, `${name}.address`), required }
}

function publishing(publish: PublishOptions | undefined): Pick<Settings, 'filter' | 'userData'> {
  const { filter = 'public', userData = null } = publish ?? {}
  if (typeof filter !== 'function') oneOf(filter, 'publish.filter', ['relay', 'ip', 'public', 'all'])
  return { filter, userData: userData === null ? null : shortText(userData, 'publish.userData', MAX_USER_DATA_BYTES) }
}

function checkHook(hook: EndpointHook, name: string): EndpointHook {
  if (typeof hook !== 'object' || hook === null) throw new TypeError(`${name}: expected an object with beforeConnect or afterHandshake`)
  if (hook.beforeConnect !== undefined) func(hook.beforeConnect, `${name}.beforeConnect`)
  if (hook.afterHandshake !== undefined) func(hook.afterHandshake, `${name}.afterHandshake`)
  return hook
}

/** What one dial or accept takes, and its signal. */
export function connectOptions(options: ConnectOptions | undefined): { native: NativeConnectOptions; signal: AbortSignal | undefined } {
  const signal = signalOf(options)
  const native: NativeConnectOptions = {}
  if (options?.timeoutMs !== undefined) native.timeoutMs = number(options.timeoutMs, 'timeoutMs', 1, MAX_MS)
  if (options?.transport !== undefined) native.transport = nativeTransport(options.transport, 'transport')
  return { native, signal }
}

/** One ALPN or several. */
export function offered(alpn: BytesLike | readonly BytesLike[]): Bytes[] {
  if (!Array.isArray(alpn)) return [oneAlpn(alpn as BytesLike)]
  if (alpn.length === 0) throw new RangeError('alpn: expected at least one')
  return alpns(alpn as readonly BytesLike[], 'alpn')
}
