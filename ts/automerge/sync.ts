// Sync of one document, once: ALPN `iroh/automerge/2`.
import type { Doc, PatchCallback } from '@automerge/automerge/slim'
import type { Dialable } from '../endpoint/addr.js'
import { Connection } from '../endpoint/connection.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import { Emitter } from '../endpoint/events.js'
import type { EndpointId } from '../endpoint/key.js'
import type { WaitOptions } from '../endpoint/options.js'
import { GaiwanError } from '../errors.js'
import type { ProtocolHandler } from '../router/handler.js'
import { oneOf, signalOf } from '../wire/check.js'
import { Exchange, inTime, type Totals, withSignal } from './exchange.js'
import { checkHandle, type DocumentHandle, type DocumentSyncOptions, onPatchOf, type SyncSettings, syncSettings } from './options.js'
import { DOCUMENT_ALPN, FAILED, REFUSED } from './protocol.js'

export interface SyncReport {
  readonly remoteId: EndpointId
  /** Turns of both; empty against empty takes 2. */
  readonly rounds: number
  /** Bytes of sync messages, without their lengths. */
  readonly bytesSent: number
  readonly bytesReceived: number
}
export interface AutomergeSyncEvents<T> {
  /** A peer's changes were applied. */
  change: [doc: Doc<T>, remoteId: EndpointId]
  /** A session ended well. */
  synced: [report: SyncReport]
}

/** How long the acceptor waits for the dialer to close. */
const GOODBYE_MS = 10_000
/** What the reference says; nobody interprets it. */
const GOODBYE = 'thanks, bye!'

/**
 * One document, both roles.
 *
 * Messages are applied on this thread, which blocks it for as long as automerge needs, and automerge bounds neither what a change
 * unpacks to nor how long that takes: take documents of strangers in a worker thread.
 *
 * @example
 * ```ts
 * let doc = Automerge.from({ tea: 'sencha' })
 * const sync = new AutomergeSync({ get: () => doc, set: (next) => { doc = next } })
 * Router.builder(endpoint).accept(DOCUMENT_ALPN, sync).spawn()
 * await sync.sync({ endpoint, to: ticket })
 * ```
 */
export class AutomergeSync<T = unknown> implements ProtocolHandler {
  readonly #handleFor: (remoteId: EndpointId) => DocumentHandle<T> | null
  readonly #settings: SyncSettings
  readonly #events = new Emitter<AutomergeSyncEvents<T>>()

  /** One document, or one chosen by who asks; null refuses (the peer sees code 1). */
  constructor(handle: DocumentHandle<T> | ((remoteId: EndpointId) => DocumentHandle<T> | null), options?: DocumentSyncOptions) {
    this.#handleFor = typeof handle === 'function' ? handle : constant(checkHandle(handle, 'handle'))
    this.#settings = syncSettings(options)
  }

  /**
   * Dials if need be, syncs, closes the connection. What was applied stays, also when it is cancelled.
   * Codes: FRAME_TOO_LARGE, PROTOCOL_VIOLATION, SYNC_DIVERGED, TIMEOUT, those of dialing and of the connection.
   */
  async sync(to: Connection | { readonly endpoint: Endpoint; readonly to: Dialable }, options?: WaitOptions): Promise<void> {
    const signal = signalOf(options)
    signal?.throwIfAborted()
    const connection = to instanceof Connection ? checkAlpn(to) : await dial(to, signal)
    const handle = this.#choose(connection.remoteId)
    if (handle === null) {
      connection.close(0)
      throw new GaiwanError('NOT_ALLOWED', 'there is no document for this peer')
    }
    const totals = await dialer(connection, this.#watched(handle, connection.remoteId), this.#settings, undefined, signal)
    this.#events.emit('synced', { remoteId: connection.remoteId, ...totals })
  }

  on<K extends keyof AutomergeSyncEvents<T>>(event: K, listener: (...args: AutomergeSyncEvents<T>[K]) => void): this {
    this.#events.on(checkEvent(event), listener)
    return this
  }

  off<K extends keyof AutomergeSyncEvents<T>>(event: K, listener: (...args: AutomergeSyncEvents<T>[K]) => void): this {
    this.#events.off(checkEvent(event), listener)
    return this
  }

  /** For the Router. Resolves when the session is over and rejects when it failed; then the connection is closed. */
  async accept(connection: Connection): Promise<void> {
    checkAlpn(connection)
    const handle = this.#choose(connection.remoteId)
    if (handle === null) {
      connection.close(REFUSED, 'refused')
      return
    }
    const totals = await acceptor(connection, this.#watched(handle, connection.remoteId), this.#settings)
    this.#events.emit('synced', { remoteId: connection.remoteId, ...totals })
  }

  #choose(remoteId: EndpointId): DocumentHandle<T> | null {
    const handle = this.#handleFor(remoteId)
    return handle === null ? null : checkHandle(handle, 'handle')
  }

  /** Tells of each change behind the application's own `set`. */
  #watched(handle: DocumentHandle<T>, remoteId: EndpointId): DocumentHandle<T> {
    return {
      get: () => handle.get(),
      set: (doc) => {
        handle.set(doc)
        this.#events.emit('change', doc, remoteId)
      },
    }
  }
}

/** As `sync`, for a document held in a variable: resolves with the new one. A failure leaves `doc` with what was applied. */
export async function syncDocument<T>(
  connection: Connection,
  doc: Doc<T>,
  options?: DocumentSyncOptions & WaitOptions & { readonly onPatch?: PatchCallback<T> },
): Promise<SyncReport & { readonly doc: Doc<T> }> {
  if (!(connection instanceof Connection)) throw new TypeError('connection: expected a Connection')
  checkAlpn(connection)
  let current = doc
  const handle: DocumentHandle<T> = {
    get: () => current,
    set: (next) => {
      current = next
    },
  }
  const totals = await dialer(connection, handle, syncSettings(options), onPatchOf(options), signalOf(options))
  return { remoteId: connection.remoteId, ...totals, doc: current }
}

function constant<T>(handle: DocumentHandle<T>): () => DocumentHandle<T> {
  return () => handle
}

function checkAlpn(connection: Connection): Connection {
  if (connection.alpn !== DOCUMENT_ALPN) throw new TypeError(`connection: expected one with the ALPN ${DOCUMENT_ALPN}`)
  return connection
}

function checkEvent<K extends string>(event: K): K {
  return oneOf(event, 'event', ['change', 'synced']) as K
}

async function dial(to: { readonly endpoint: Endpoint; readonly to: Dialable }, signal: AbortSignal | undefined): Promise<Connection> {
  if (typeof to !== 'object' || to === null) throw new TypeError('to: expected a Connection or { endpoint, to }')
  return to.endpoint.connect(to.to, DOCUMENT_ALPN, signal === undefined ? {} : { signal })
}

async function dialer<T>(
  connection: Connection,
  handle: DocumentHandle<T>,
  settings: SyncSettings,
  onPatch: PatchCallback<T> | undefined,
  signal: AbortSignal | undefined,
): Promise<Totals> {
  try {
    signal?.throwIfAborted()
    const stream = await connection.openBi(signal === undefined ? {} : { signal })
    stopOthers(connection)
    const exchange = new Exchange(stream, handle, settings, onPatch)
    const totals = await withSignal(exchange, connection, signal, () => exchange.dial())
    connection.close(0, GOODBYE)
    return totals
  } catch (error) {
    fail(connection, error)
    throw error
  }
}

async function acceptor<T>(connection: Connection, handle: DocumentHandle<T>, settings: SyncSettings): Promise<Totals> {
  try {
    const stream = await inTime(connection.acceptBi(), settings.timeoutMs)
    if (stream === null) throw new GaiwanError('PROTOCOL_VIOLATION', 'the peer closed before it opened a stream')
    stopOthers(connection)
    const totals = await new Exchange(stream, handle, settings, undefined).serve()
    // The dialer has the last frame to read, so it is the one that closes.
    await inTime(connection.closed, GOODBYE_MS).catch(() => connection.close(0))
    return totals
  } catch (error) {
    fail(connection, error)
    throw error
  }
}

/** Tells the peer that the session failed, and nothing of why but the code. */
function fail(connection: Connection, error: unknown): void {
  if (connection.closeInfo === null) connection.close(FAILED, GaiwanError.is(error) ? error.code : '')
}

/** One session per connection: streams behind the first are of no use. */
function stopOthers(connection: Connection): void {
  const stop = async () => {
    for await (const { send, recv } of connection.incomingBi()) {
      recv.stop(0)
      send.reset(0)
    }
  }
  // It ends with the connection, however that ends.
  stop().catch(() => {})
}
