// One QUIC connection, as users hold it.
import { GaiwanError } from '../errors.js'
import { type Bytes, type BytesLike, copy } from '../wire/bytes.js'
import { code as checkCode, func, integer, MAX_U32, options as checkOptions, signalOf, toBytes } from '../wire/check.js'
import { REQUEST } from '../wire/records.js'
import { type BiStream, makeBi } from './bi.js'
import type { CloseInfo } from './close-info.js'
import type { ConnectionCore } from './connection-core.js'
import type { Side } from './facts.js'
import type { EndpointId } from './key.js'
import { open, type OpenOptions } from './open.js'
import type { WaitOptions } from './options.js'
import { makeRecv, type RecvStream } from './recv.js'
import { makeSend, type SendStream } from './send.js'
import { type RequestHandler, Serving } from './serve.js'
import { type ConnectionStats, connectionStats, type PathInfo, pathsOf } from './stats.js'
import { StreamQueue } from './stream-queue.js'
import { nativeTransport, type TransportOptions } from './transport.js'
import { watchPaths } from './watch-paths.js'

export interface RequestOptions extends WaitOptions {
  /** [16 MiB] */
  readonly maxResponseBytes?: number
}
export interface ServeOptions extends WaitOptions {
  /** A longer request is stopped and reset with code 0 [16 MiB]. */
  readonly maxRequestBytes?: number
  /** Handlers at once [transport.maxBidiStreams]. */
  readonly concurrency?: number
}

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024
/** RFC 5705 over HKDF with SHA-256: 255 blocks of 32 bytes. */
const MAX_EXPORT_BYTES = 8_160

let make: (core: ConnectionCore) => Connection
let unwrap: (connection: Connection) => ConnectionCore

/**
 * One QUIC connection: one peer, one ALPN.
 *
 * @example
 * ```ts
 * const connection = await endpoint.connect(ticket, 'example/echo/1')
 * const answer = await connection.request('tea')
 * connection.close(0, 'done')
 * ```
 */
export class Connection implements AsyncDisposable {
  readonly #core: ConnectionCore

  static {
    make = (core) => new Connection(core)
    unwrap = (connection) => connection.#core
  }

  private constructor(core: ConnectionCore) {
    this.#core = core
  }

  /** Proven by the handshake. */
  get remoteId(): EndpointId {
    return this.#core.facts.remoteId
  }

  get alpn(): string {
    return this.#core.facts.alpn
  }

  get alpnBytes(): Bytes {
    return copy(this.#core.facts.alpnBytes)
  }

  get side(): Side {
    return this.#core.facts.side
  }

  /** Of the path in use; can change. */
  get remoteAddress(): string {
    return this.#core.address
  }

  /** Unique within the endpoint. */
  get stableId(): number {
    return this.#core.facts.stableId
  }

  /** Opens a stream, waiting for credit. The peer sees it only once something is written, finished or reset. */
  openBi(options?: OpenOptions): Promise<BiStream> {
    return open(this.#core, true, makeBi, options)
  }

  openUni(options?: OpenOptions): Promise<SendStream> {
    return open(this.#core, false, makeSend, options)
  }

  /** The next stream of the peer; null once either application closed, whatever the code. Codes: CONNECTION_LOST. */
  acceptBi(options?: WaitOptions): Promise<BiStream | null> {
    return accept(() => biOf(this.#core), options)
  }

  acceptUni(options?: WaitOptions): Promise<RecvStream | null> {
    return accept(() => uniOf(this.#core), options)
  }

  /** As `acceptBi` and `acceptUni`: end where those give null. */
  incomingBi(): AsyncIterable<BiStream> {
    return biOf(this.#core).iterate()
  }

  incomingUni(): AsyncIterable<RecvStream> {
    return uniOf(this.#core).iterate()
  }

  /** One bi stream: sends `body`, resolves with the whole answer. Codes: STREAM_TOO_LONG, STREAM_RESET. */
  request(body: BytesLike, options?: RequestOptions): Promise<Bytes> {
    try {
      let max = DEFAULT_MAX_BYTES
      let signal: AbortSignal | undefined
      if (options !== undefined) {
        signal = signalOf(options)
        if (options.maxResponseBytes !== undefined) max = integer(options.maxResponseBytes, 'maxResponseBytes', 0, MAX_U32)
      }
      const bytes = typeof body === 'string' ? body : toBytes(body, 'body')
      return this.#core.bridge.callBlock(REQUEST, this.#core.handle, max, bytes, this.#core, signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Answers each bi stream of the peer by `handler`; resolves when the connection is closed. A throw resets that stream. */
  async serve(handler: RequestHandler, options?: ServeOptions): Promise<void> {
    func(handler, 'handler')
    const signal = signalOf(options)
    const { maxRequestBytes = DEFAULT_MAX_BYTES, concurrency = Math.max(1, this.#core.endpoint.settings.maxBidi) } = options ?? {}
    integer(maxRequestBytes, 'maxRequestBytes', 0, MAX_U32)
    integer(concurrency, 'concurrency', 1, MAX_U32)
    return Serving.run(this.#core, this, handler, maxRequestBytes, concurrency, signal)
  }

  /** Unreliable; drops the oldest unsent when its buffer is full. Throws DATAGRAM_UNSUPPORTED, DATAGRAM_DISABLED, DATAGRAM_TOO_LARGE. */
  sendDatagram(data: BytesLike): void {
    this.#core.sendDatagram(toBytes(data, 'data'))
  }

  /** As `sendDatagram`, but waits for room. */
  async sendDatagramWait(data: BytesLike, options?: WaitOptions): Promise<void> {
    const bytes = toBytes(data, 'data')
    const signal = signalOf(options)
    const { bridge, handle } = this.#core
    return bridge.call(
      (native, id) => native.sendDatagramWait(id, handle, bytes),
      () => {},
      { signal, keep: this.#core },
    )
  }

  /** Ends as `incomingBi` does. */
  datagrams(): AsyncIterable<Bytes> {
    return this.#core.datagrams.iterate()
  }

  /** Null if the peer takes none; can fall. */
  get maxDatagramBytes(): number | null {
    return this.#core.lease.handle === 0 ? null : this.#core.native((bridge, handle) => bridge.loose.maxDatagramBytes(handle))
  }

  /** Bytes free in the send buffer. */
  get datagramSendSpace(): number {
    return this.#core.lease.handle === 0 ? 0 : this.#core.native((bridge, handle) => bridge.loose.datagramSendSpace(handle))
  }

  /** Smoothed round trip, a fraction. */
  get rttMs(): number {
    return this.#core.rttMs
  }

  stats(): ConnectionStats {
    const { stats, address, sightings } = this.#core
    return connectionStats(stats, pathsOf(stats, address, sightings))
  }

  /** What we grant the peer from now on. */
  setLimits(limits: Pick<TransportOptions, 'maxBidiStreams' | 'maxUniStreams' | 'receiveWindow'>): void {
    checkOptions(limits, 'limits')
    const { maxBidiStreams, maxUniStreams, receiveWindow } = nativeTransport(limits, 'limits')
    if (this.#core.lease.handle === 0) return
    this.#core.native((bridge, handle) => bridge.direct.setLimits(handle, maxBidiStreams, maxUniStreams, receiveWindow))
  }

  /** The ways to the peer; one is `selected`. */
  paths(): readonly PathInfo[] {
    const { stats, address, sightings } = this.#core
    return pathsOf(stats, address, sightings)
  }

  /** The newest `paths()`, at once and after each change; ends on close. */
  watchPaths(): AsyncIterable<readonly PathInfo[]> {
    return watchPaths(this.#core, () => this.paths())
  }

  /** RFC 5705 exporter; equal at both ends. `length` 1 to 8,160, else `RangeError`. */
  exportKeyingMaterial(label: BytesLike, context: BytesLike, length: number): Bytes {
    const labelBytes = toBytes(label, 'label')
    const contextBytes = toBytes(context, 'context')
    integer(length, 'length', 1, MAX_EXPORT_BYTES)
    if (this.#core.lease.handle === 0) throw this.#core.error
    return copy(this.#core.native((bridge, handle) => bridge.loose.exportKeyingMaterial(handle, labelBytes, contextBytes, length)))
  }

  /** Immediate: data not yet acknowledged is lost. Code 0 to 2^62 - 1 [0]; the peer reads the reason, keep it under 1 KiB. */
  close(code: number | bigint = 0, reason: BytesLike = ''): void {
    this.#core.close(checkCode(code, 'code'), toBytes(reason, 'reason'))
  }

  /** Never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#core.closed
  }

  /** Null while open. */
  get closeInfo(): CloseInfo | null {
    return this.#core.closeInfo
  }

  /** `close()` with code 0. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }
}

/** Streams of the peer, from the first time that somebody asks. */
export function biOf(core: ConnectionCore): StreamQueue<BiStream> {
  core.bi ??= new StreamQueue(core, true, makeBi)
  return core.bi
}

/** @see biOf */
export function uniOf(core: ConnectionCore): StreamQueue<RecvStream> {
  core.uni ??= new StreamQueue(core, false, makeRecv)
  return core.uni
}

/** Checks before it asks for streams at all. */
export function accept<T>(queue: () => StreamQueue<T>, options: WaitOptions | undefined): Promise<T | null> {
  try {
    const signal = signalOf(options)
    return signal?.aborted ? Promise.reject(signal.reason) : queue().next(signal)
  } catch (error) {
    return Promise.reject(error)
  }
}

/** The core of a connection; `name` is the argument for the error. */
export function connectionCore(connection: Connection, name: string): ConnectionCore {
  if (!(connection instanceof Connection)) throw new TypeError(`${name}: expected a Connection`)
  return unwrap(connection)
}

export function makeConnection(core: ConnectionCore): Connection {
  if (core.facts.early) throw new GaiwanError('PEER_UNAUTHENTICATED', 'the handshake is not done yet')
  return make(core)
}
