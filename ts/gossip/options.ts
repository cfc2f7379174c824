// Options of gossip: shapes, checks, and how they are said natively.
import { type EndpointAddr, type Dialable, toAddr } from '../endpoint/addr.js'
import type { EndpointId } from '../endpoint/key.js'
import type { WaitOptions } from '../endpoint/options.js'
import type { NativeGossipOptions } from '../native.js'
import { alpn as checkAlpn, boolean, func, integer, list, MAX_MS, MAX_U32, options as object, string } from '../wire/check.js'
import { ALPN } from './protocol.js'

export interface GossipOptions {
  /** Equal in the whole network ['/iroh-gossip/1']. */
  readonly alpn?: string
  /** Bytes of a frame, at least 512, equal in the whole network [4,096]. */
  readonly maxMessageBytes?: number
  readonly membership?: MembershipOptions
  readonly broadcast?: BroadcastOptions
  /** Who may connect to us; one that throws, or is silent for 5 s, says no [everyone]. */
  readonly accept?: (remoteId: EndpointId) => boolean
  /**
   * Join known peers again while there is no neighbor; with neighbors, ask absent ones now and then for theirs, so that a
   * torn swarm becomes one again [true].
   */
  readonly rejoin?: boolean
  /** Drop messages of peers that are no neighbors [false]. */
  readonly neighborsOnly?: boolean
  readonly limits?: GossipLimits
}
export interface GossipLimits {
  /** Frames and bytes that wait for one peer [256, 1 MiB]. */
  readonly maxQueuedFrames?: number
  readonly maxQueuedBytes?: number
  /** Connections in all, and of one peer [1,024, 4]. */
  readonly maxConnections?: number
  readonly maxConnectionsPerPeer?: number
}
/** Who is whose neighbor: HyParView. */
export interface MembershipOptions {
  /** [5] */ readonly activeViewCapacity?: number
  /** [30] */ readonly passiveViewCapacity?: number
  /** [6] */ readonly activeRandomWalkLength?: number
  /** [3] */ readonly passiveRandomWalkLength?: number
  /** [6] */ readonly shuffleRandomWalkLength?: number
  /** [3] */ readonly shuffleActiveViewCount?: number
  /** [4] */ readonly shufflePassiveViewCount?: number
  /** [60,000] */ readonly shuffleIntervalMs?: number
  /** [3,000] */ readonly neighborRequestTimeoutMs?: number
}
/** How messages spread: PlumTree. */
export interface BroadcastOptions {
  /** [80] */ readonly graftTimeout1Ms?: number
  /** [40] */ readonly graftTimeout2Ms?: number
  /** [5] */ readonly dispatchTimeoutMs?: number
  /** [7] */ readonly optimizationThreshold?: number
  /** [30,000] */ readonly messageCacheRetentionMs?: number
  /** Equal content within this time is delivered once [90,000]. */ readonly messageIdRetentionMs?: number
  /** [1,000] */ readonly cacheEvictIntervalMs?: number
}
export interface SubscribeOptions extends WaitOptions {
  /** Undelivered events kept; then the oldest messages go [2,048]. */
  readonly capacity?: number
}
export interface JoinOptions extends WaitOptions {
  /** [30,000] */
  readonly timeoutMs?: number
}

export const DEFAULT_MESSAGE_BYTES = 4_096
const MIN_MESSAGE_BYTES = 512
const MAX_MESSAGE_BYTES = 2 ** 20
const DEFAULT_CAPACITY = 2_048
const DEFAULT_JOIN_MS = 30_000
/** Hops go as a u16. */
const MAX_HOPS = 2 ** 16 - 1
/** A view of more is none: every neighbor is a connection. */
const MAX_VIEW = 2 ** 16 - 1

/** What each number may be. */
const MEMBERSHIP: Record<keyof MembershipOptions, readonly [min: number, max: number]> = {
  activeViewCapacity: [1, MAX_VIEW],
  passiveViewCapacity: [1, MAX_VIEW],
  activeRandomWalkLength: [0, MAX_HOPS],
  passiveRandomWalkLength: [0, MAX_HOPS],
  shuffleRandomWalkLength: [0, MAX_HOPS],
  shuffleActiveViewCount: [0, MAX_VIEW],
  shufflePassiveViewCount: [0, MAX_VIEW],
  shuffleIntervalMs: [1, MAX_MS],
  neighborRequestTimeoutMs: [1, MAX_MS],
}
const BROADCAST: Record<keyof BroadcastOptions, readonly [min: number, max: number]> = {
  graftTimeout1Ms: [1, MAX_MS],
  graftTimeout2Ms: [1, MAX_MS],
  dispatchTimeoutMs: [1, MAX_MS],
  optimizationThreshold: [0, MAX_HOPS],
  messageCacheRetentionMs: [1, MAX_MS],
  messageIdRetentionMs: [1, MAX_MS],
  cacheEvictIntervalMs: [1, MAX_MS],
}
const LIMITS: Record<keyof GossipLimits, readonly [min: number, max: number]> = {
  maxQueuedFrames: [1, MAX_U32],
  maxQueuedBytes: [1, MAX_U32],
  maxConnections: [1, MAX_U32],
  maxConnectionsPerPeer: [1, MAX_U32],
}

/** Checked options of an instance. */
export interface Settings {
  readonly alpn: string
  readonly maxMessageBytes: number
  readonly accept: GossipOptions['accept'] | undefined
  readonly native: NativeGossipOptions
}

/** Checks everything that an instance takes. */
export function settings(given: GossipOptions | undefined): Settings {
  const all: GossipOptions = object(given)
  const { accept, rejoin, neighborsOnly } = all
  const alpn = all.alpn === undefined ? ALPN : string(all.alpn, 'alpn')
  const maxMessageBytes = integer(all.maxMessageBytes ?? DEFAULT_MESSAGE_BYTES, 'maxMessageBytes', MIN_MESSAGE_BYTES, MAX_MESSAGE_BYTES)
  return {
    alpn,
    maxMessageBytes,
    accept: accept === undefined ? undefined : func(accept, 'accept'),
    native: {
      alpn: checkAlpn(alpn),
      maxMessageBytes,
      ...(rejoin !== undefined && { rejoin: boolean(rejoin, 'rejoin') }),
      ...(neighborsOnly !== undefined && { neighborsOnly: boolean(neighborsOnly, 'neighborsOnly') }),
      ...numbers(all.membership, 'membership', MEMBERSHIP),
      ...numbers(all.broadcast, 'broadcast', BROADCAST),
      ...numbers(all.limits, 'limits', LIMITS),
    },
  }
}

function numbers<K extends string>(
  given: { readonly [_ in K]?: number } | undefined,
  name: string,
  ranges: Record<K, readonly [min: number, max: number]>,
): { [_ in K]?: number } {
  const values = object(given, name) as { readonly [_ in K]?: number }
  const set: { [_ in K]?: number } = {}
  for (const key of Object.keys(ranges) as K[]) {
    const value = values[key]
    const [min, max] = ranges[key] as readonly [number, number]
    if (value !== undefined) set[key] = integer(value, `${name}.${key}`, min, max)
  }
  return set
}

export function capacityOf(options: SubscribeOptions): number {
  return integer(options.capacity ?? DEFAULT_CAPACITY, 'capacity', 1, MAX_U32)
}

export function timeoutOf(options: JoinOptions): number {
  return integer(options.timeoutMs ?? DEFAULT_JOIN_MS, 'timeoutMs', 1, MAX_MS)
}

/** Peers in normal form. */
export function peersOf(peers: readonly Dialable[], name: string): EndpointAddr[] {
  return list(peers, name).map((peer, n) => toAddr(peer, `${name}[${n}]`))
}
