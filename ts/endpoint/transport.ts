// QUIC settings and their ranges.
import type { NativeTransport } from '../native.js'
import { boolean, integer, MAX_MS, MAX_U32, number, oneOf } from '../wire/check.js'

/** QUIC settings; out of range is a `RangeError`. */
export interface TransportOptions {
  /** Silence that ends a connection [30,000]. */
  readonly idleTimeoutMs?: number
  /** Ping interval, null for none [5,000]. */
  readonly keepAliveMs?: number | null
  /** Bi streams the peer may have open [100]. */
  readonly maxBidiStreams?: number
  /** Uni streams the peer may have open [100]. */
  readonly maxUniStreams?: number
  /** Bytes a stream may be ahead of its reader [1,250,000]. */
  readonly streamReceiveWindow?: number
  /** Bytes all streams of a connection may be ahead [16 MiB]. */
  readonly receiveWindow?: number
  /** Bytes sent and not acknowledged [10,000,000]. */
  readonly sendWindow?: number
  /** Bytes of unread datagrams, 0 or null for none at all [1,250,000]. */
  readonly datagramReceiveBuffer?: number | null
  /** Bytes of unsent datagrams [1 MiB]. */
  readonly datagramSendBuffer?: number
  /** First guess of the round trip [333]. */
  readonly initialRttMs?: number
  /** Bytes of a packet at the start [1,200]. */
  readonly initialMtu?: number
  /** Bytes of a packet that every path must carry [1,200]. */
  readonly minMtu?: number
  /** Search for larger packets, up to `upperBound` bytes [true, 1,452]. */
  readonly mtuDiscovery?: boolean | { readonly upperBound?: number }
  /** Congestion control; `bbr` is experimental ['cubic']. */
  readonly congestion?: 'cubic' | 'newReno' | 'bbr'
  /** Pad application packets to the packet size [false]. */
  readonly padToMtu?: boolean
  /** Equal streams take turns [true]. */
  readonly sendFairness?: boolean
}

/** Streams that the peer may open when nothing else is said. */
export const DEFAULT_MAX_BIDI = 100

/** QUIC counts streams up to 2^60; more than a u32 of them is a mistake. */
const STREAMS = [0, MAX_U32] as const
/** Bytes of a window; less than one packet would stall. */
const WINDOW = [1_200, Number.MAX_SAFE_INTEGER] as const
/** Bytes of a buffer. */
const BUFFER = [0, MAX_U32] as const
/** Bytes of a packet: RFC 9000, section 14, and what a UDP datagram can hold. */
const MTU = [1_200, 65_527] as const
/** The range of milliseconds. */
const MS = [1, MAX_MS] as const

const COUNTS = {
  maxBidiStreams: STREAMS,
  maxUniStreams: STREAMS,
  streamReceiveWindow: WINDOW,
  receiveWindow: WINDOW,
  sendWindow: WINDOW,
  datagramSendBuffer: BUFFER,
  initialMtu: MTU,
  minMtu: MTU,
} as const

/** Checks all settings and says them natively. */
export function nativeTransport(options: TransportOptions, name: string): NativeTransport {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${name}: expected an object`)
  const native: NativeTransport = {}
  for (const [key, [min, max]] of Object.entries(COUNTS) as [keyof typeof COUNTS, readonly [number, number]][]) {
    if (options[key] !== undefined) native[key] = integer(options[key], `${name}.${key}`, min, max)
  }
  const { idleTimeoutMs, keepAliveMs, initialRttMs, datagramReceiveBuffer, mtuDiscovery, congestion, padToMtu, sendFairness } = options
  if (idleTimeoutMs !== undefined) native.idleTimeoutMs = number(idleTimeoutMs, `${name}.idleTimeoutMs`, ...MS)
  if (initialRttMs !== undefined) native.initialRttMs = number(initialRttMs, `${name}.initialRttMs`, ...MS)
  if (keepAliveMs !== undefined) native.keepAliveMs = keepAliveMs === null ? 0 : number(keepAliveMs, `${name}.keepAliveMs`, ...MS)
  if (datagramReceiveBuffer !== undefined) {
    native.datagramReceiveBuffer =
      datagramReceiveBuffer === null ? 0 : integer(datagramReceiveBuffer, `${name}.datagramReceiveBuffer`, ...BUFFER)
  }
  if (mtuDiscovery !== undefined) setUpperBound(native, mtuDiscovery, `${name}.mtuDiscovery`)
  if (congestion !== undefined) native.congestion = oneOf(congestion, `${name}.congestion`, ['cubic', 'newReno', 'bbr'])
  if (padToMtu !== undefined) native.padToMtu = boolean(padToMtu, `${name}.padToMtu`)
  if (sendFairness !== undefined) native.sendFairness = boolean(sendFairness, `${name}.sendFairness`)
  return native
}

function setUpperBound(native: NativeTransport, value: NonNullable<TransportOptions['mtuDiscovery']>, name: string): void {
  if (value === false) native.mtuUpperBound = 0
  else if (typeof value === 'object' && value !== null) {
    if (value.upperBound !== undefined) native.mtuUpperBound = integer(value.upperBound, `${name}.upperBound`, ...MTU)
  } else if (value !== true) throw new TypeError(`${name}: expected true, false or { upperBound }`)
}
