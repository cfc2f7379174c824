// Options of document sync and of the network adapter: shapes and checks.
import type { Doc, PatchCallback } from '@automerge/automerge/slim'
import { type Dialable, type EndpointAddr, toAddr } from '../endpoint/addr.js'
import { type Endpoint, endpointCore } from '../endpoint/endpoint.js'
import type { EndpointId } from '../endpoint/key.js'
import { Router } from '../router/router.js'
import { boolean, func, integer, list, MAX_MS, MAX_U32, options as object, oneOf } from '../wire/check.js'
import { MAX_MESSAGE_BYTES, MAX_QUEUE_BYTES, REFERENCE_FRAME_BYTES } from './protocol.js'

/** Where the application keeps its document. `set` is called after each applied message, not only at the end. */
export interface DocumentHandle<T> {
  get(): Doc<T>
  set(doc: Doc<T>): void
}
export interface DocumentSyncOptions {
  /** A larger message is FRAME_TOO_LARGE [64 MiB]. */
  readonly maxMessageBytes?: number
  /** Silence that ends a session with TIMEOUT [60,000]. */
  readonly timeoutMs?: number
  /** Let other work run between rounds [true]. */
  readonly yieldBetweenRounds?: boolean
}
export interface GaiwanNetworkAdapterOptions {
  readonly endpoint: Endpoint
  /** Or register the adapter by hand: `.accept(REPO_ALPN, adapter)`. */
  readonly router?: Router
  /** Kept connected, redialed for ever [none]. */
  readonly peers?: readonly Dialable[]
  /** 'endpoint': a peer's repo id must be its verified endpoint id ['endpoint']. With 'any' a peer can claim to be another one. */
  readonly peerIds?: 'endpoint' | 'any'
  /** Who may open a session; one that throws says no [everyone]. */
  readonly accept?: (remoteId: EndpointId) => boolean
  /** [8 MiB, the most that the Rust example reads] */
  readonly maxSendBytes?: number
  /** [64 MiB] */
  readonly maxReceiveBytes?: number
  /** Queued for one peer; then its session ends [64 MiB]. */
  readonly maxQueueBytes?: number
  /** Each wait is 20 % shorter or longer by chance; false: every peer is dialed once [1,000 doubling to 30,000] */
  readonly retry?: { readonly initialMs?: number; readonly maxMs?: number } | false
  /** The longest wait of `whenReady` [1,000]. */
  readonly readyTimeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 60_000
const DEFAULT_RETRY_MS = 1_000
const DEFAULT_MAX_RETRY_MS = 30_000
const DEFAULT_READY_MS = 1_000
/** Less could not carry a handshake. */
const MIN_FRAME_BYTES = 1_024

/** Checked options of a document sync. */
export interface SyncSettings {
  readonly maxMessageBytes: number
  readonly timeoutMs: number
  readonly yieldBetweenRounds: boolean
}

export function syncSettings(given: DocumentSyncOptions | undefined): SyncSettings {
  const all: DocumentSyncOptions = object(given)
  return {
    maxMessageBytes: integer(all.maxMessageBytes ?? MAX_MESSAGE_BYTES, 'maxMessageBytes', 1, MAX_U32),
    timeoutMs: integer(all.timeoutMs ?? DEFAULT_TIMEOUT_MS, 'timeoutMs', 1, MAX_MS),
    yieldBetweenRounds: boolean(all.yieldBetweenRounds ?? true, 'yieldBetweenRounds'),
  }
}

/** The callback for patches, if there is one. */
export function onPatchOf<T>(given: { readonly onPatch?: PatchCallback<T> } | undefined): PatchCallback<T> | undefined {
  return given?.onPatch === undefined ? undefined : func(given.onPatch, 'onPatch')
}

/** What a handle must have. */
export function checkHandle<T>(handle: DocumentHandle<T>, name: string): DocumentHandle<T> {
  if (typeof handle !== 'object' || handle === null || typeof handle.get !== 'function' || typeof handle.set !== 'function') {
    throw new TypeError(`${name}: expected an object with get() and set(doc)`)
  }
  return handle
}

/** How long to wait between dials. */
export interface Retry {
  readonly initialMs: number
  readonly maxMs: number
}

/** Checked options of an adapter. */
export interface AdapterSettings {
  readonly endpoint: Endpoint
  readonly router: Router | null
  readonly peers: readonly EndpointAddr[]
  readonly strict: boolean
  readonly accept: ((remoteId: EndpointId) => boolean) | null
  readonly maxSendBytes: number
  readonly maxReceiveBytes: number
  readonly maxQueueBytes: number
  readonly retry: Retry | null
  readonly readyTimeoutMs: number
}

export function adapterSettings(given: GaiwanNetworkAdapterOptions): AdapterSettings {
  if (typeof given !== 'object' || given === null) throw new TypeError('options: expected an object')
  const { endpoint, router, accept, retry } = given
  endpointCore(endpoint, 'endpoint')
  if (router !== undefined) {
    if (!(router instanceof Router)) throw new TypeError('router: expected a Router')
    if (router.endpoint !== endpoint) throw new TypeError('router: expected one of the same endpoint')
  }
  return {
    endpoint,
    router: router ?? null,
    peers: list(given.peers ?? [], 'peers').map((peer, n) => toAddr(peer, `peers[${n}]`)),
    strict: oneOf(given.peerIds ?? 'endpoint', 'peerIds', ['endpoint', 'any']) === 'endpoint',
    accept: accept === undefined ? null : func(accept, 'accept'),
    maxSendBytes: integer(given.maxSendBytes ?? REFERENCE_FRAME_BYTES, 'maxSendBytes', MIN_FRAME_BYTES, MAX_U32),
    maxReceiveBytes: integer(given.maxReceiveBytes ?? MAX_MESSAGE_BYTES, 'maxReceiveBytes', MIN_FRAME_BYTES, MAX_U32),
    maxQueueBytes: integer(given.maxQueueBytes ?? MAX_QUEUE_BYTES, 'maxQueueBytes', MIN_FRAME_BYTES, Number.MAX_SAFE_INTEGER),
    retry: retry === false ? null : retryOf(retry),
    readyTimeoutMs: integer(given.readyTimeoutMs ?? DEFAULT_READY_MS, 'readyTimeoutMs', 0, MAX_MS),
  }
}

function retryOf(given: { readonly initialMs?: number; readonly maxMs?: number } | undefined): Retry {
  const { initialMs = DEFAULT_RETRY_MS, maxMs = DEFAULT_MAX_RETRY_MS } = object(given, 'retry')
  integer(initialMs, 'retry.initialMs', 1, MAX_MS)
  return { initialMs, maxMs: integer(maxMs, 'retry.maxMs', initialMs, MAX_MS) }
}
