// Serving a store: what the native provider asks and tells.
import type { Sink } from '../endpoint/call.js'
import type { EndpointCore } from '../endpoint/endpoint-core.js'
import type { EndpointId } from '../endpoint/key.js'
import { Lease } from '../endpoint/lease.js'
import { fromThrown } from '../errors.js'
import type { NativeProviderOptions } from '../native.js'
import { type Bytes, type Hash, text } from '../wire/bytes.js'
import { boolean, func, integer, MAX_MS, MAX_U32, options as checkOptions } from '../wire/check.js'

export type RequestKind = 'get' | 'getMany' | 'observe' | 'push'
const KINDS = ['get', 'getMany', 'observe', 'push'] as const

export interface BlobsLimits {
  /** Served connections in all [1,024] and of one peer [16]. */
  readonly maxConnections?: number
  readonly maxConnectionsPerPeer?: number
  /** Observers of one connection [64]. */
  readonly maxObservers?: number
  /** Time to send a whole request [10,000]. */
  readonly requestTimeoutMs?: number
  /** Bytes per second to all, and to one peer [no limit]. */
  readonly maxUploadRate?: number
  readonly maxUploadRatePerPeer?: number
  /** Bytes that one push may store [no limit]. */
  readonly maxPushBytes?: number
}
export interface TransferStats {
  readonly payloadBytesRead: number
  readonly payloadBytesWritten: number
  readonly otherBytesRead: number
  readonly otherBytesWritten: number
  readonly elapsedMs: number
}
interface ProviderEventBase {
  readonly connectionId: number
  readonly remoteId: EndpointId
}
interface RequestEventBase extends ProviderEventBase {
  readonly requestId: number
}
export type ProviderEvent =
  | (ProviderEventBase & { readonly type: 'connected' })
  | (ProviderEventBase & { readonly type: 'disconnected' })
  | (RequestEventBase & { readonly type: 'request'; readonly request: RequestKind; readonly hash: Hash })
  | (RequestEventBase & { readonly type: 'started'; readonly index: number; readonly hash: Hash; readonly size: number })
  | (RequestEventBase & { readonly type: 'progress'; readonly index: number; readonly endOffset: number })
  | (RequestEventBase & { readonly type: 'completed' | 'aborted'; readonly stats: TransferStats })

/** Whether a peer may ask for something. */
export type Authorize = (remoteId: EndpointId, hash: Hash, request: RequestKind) => boolean | Promise<boolean>

export interface ProviderSettings {
  readonly authorize: Authorize | undefined
  readonly onEvent: ((event: ProviderEvent) => void) | undefined
  readonly native: NativeProviderOptions
}

/** Checks what a user set. */
export function providerSettings(given: {
  readonly authorize?: Authorize
  readonly allow?: { readonly [K in RequestKind]?: boolean }
  readonly limits?: BlobsLimits
  readonly onEvent?: (event: ProviderEvent) => void
}): ProviderSettings {
  const { authorize, onEvent } = given
  const allow = checkOptions(given.allow, 'allow')
  const limits: BlobsLimits = checkOptions(given.limits, 'limits')
  const count = (name: keyof BlobsLimits, min: number, max: number) => {
    const value = limits[name]
    return value === undefined ? undefined : integer(value, `limits.${name}`, min, max)
  }
  const bytes = Number.MAX_SAFE_INTEGER
  const all = {
    maxConnections: count('maxConnections', 1, MAX_U32),
    maxConnectionsPerPeer: count('maxConnectionsPerPeer', 1, MAX_U32),
    maxObservers: count('maxObservers', 0, MAX_U32),
    requestTimeoutMs: count('requestTimeoutMs', 1, MAX_MS),
    maxUploadRate: count('maxUploadRate', 1, bytes),
    maxUploadRatePerPeer: count('maxUploadRatePerPeer', 1, bytes),
    maxPushBytes: count('maxPushBytes', 0, bytes),
  }
  const set = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return {
    authorize: authorize === undefined ? undefined : func(authorize, 'authorize'),
    onEvent: onEvent === undefined ? undefined : func(onEvent, 'onEvent'),
    native: { ...set, allow: KINDS.filter((kind) => boolean(allow[kind] ?? kind !== 'push', `allow.${kind}`)) },
  }
}

/** The native provider of one endpoint and store. It lives until the endpoint is closed, for a Router may serve with it. */
export class ProviderCore {
  readonly #endpoint: EndpointCore
  readonly #lease: Lease
  readonly #subs: number[] = []

  constructor(endpoint: EndpointCore, store: number, settings: ProviderSettings) {
    this.#endpoint = endpoint
    const { bridge } = endpoint
    const { native } = settings
    if (settings.authorize !== undefined) native.authorizeSub = this.#listen(new Questions(endpoint, settings.authorize))
    if (settings.onEvent !== undefined) native.eventSub = this.#listen(new Events(settings.onEvent))
    try {
      this.#lease = new Lease(bridge.direct.blobsProvider(store, native))
    } catch (error) {
      this.#forget()
      throw fromThrown(error)
    }
    void endpoint.closed.then(() => this.#release())
  }

  /** The native handle. */
  get handle(): number {
    return this.#lease.handle
  }

  get metrics(): Record<string, number> {
    return this.handle === 0 ? {} : this.#endpoint.bridge.loose.blobsMetrics(this.handle)
  }

  /** Serves no more, and closes the connections it serves. */
  stop(): void {
    if (this.handle !== 0) this.#endpoint.bridge.direct.blobsStop(this.handle)
  }

  #listen(sink: Sink): number {
    const { bridge } = this.#endpoint
    const sub = bridge.nextId()
    bridge.listen(sub, sink)
    this.#subs.push(sub)
    return sub
  }

  #forget(): void {
    for (const sub of this.#subs.splice(0)) this.#endpoint.bridge.forget(sub)
  }

  #release(): void {
    this.#forget()
    this.#endpoint.bridge.release(this.#lease)
  }
}

/** Answers whether a peer may ask. Silence is no natively, after 5 s. */
class Questions implements Sink {
  readonly #endpoint: EndpointCore
  readonly #authorize: Authorize

  constructor(endpoint: EndpointCore, authorize: Authorize) {
    this.#endpoint = endpoint
    this.#authorize = authorize
  }

  take(token: number, body: Bytes): void {
    void this.#ask(body).then((yes) => this.#endpoint.bridge.direct.authorized(token, yes))
  }

  end(): void {}

  /** Never rejects: one that throws says no. */
  async #ask(body: Bytes): Promise<boolean> {
    const { remoteId, hash, request } = JSON.parse(text(body)) as { remoteId: EndpointId; hash: Hash; request: RequestKind }
    try {
      return (await this.#authorize(remoteId, hash, request)) === true
    } catch (error) {
      this.#endpoint.handlerError(error, undefined)
      return false
    }
  }
}

/** Hands events on. */
class Events implements Sink {
  readonly #onEvent: (event: ProviderEvent) => void

  constructor(onEvent: (event: ProviderEvent) => void) {
    this.#onEvent = onEvent
  }

  take(_: number, body: Bytes): void {
    this.#onEvent(JSON.parse(text(body)) as ProviderEvent)
  }

  end(): void {}
}
