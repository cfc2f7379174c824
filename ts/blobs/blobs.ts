// Provider and getter over one endpoint and store.
import { type Dialable, toAddr } from '../endpoint/addr.js'
import { Connection, connectionCore } from '../endpoint/connection.js'
import { type Endpoint, endpointCore } from '../endpoint/endpoint.js'
import type { EndpointCore } from '../endpoint/endpoint-core.js'
import type { WaitOptions } from '../endpoint/options.js'
import { GaiwanError } from '../errors.js'
import type { NativeByteRange } from '../native.js'
import { NATIVE, type ProtocolHandler } from '../router/handler.js'
import { type Bytes, type BytesLike, copy, type Hash, text } from '../wire/bytes.js'
import { boolean, integer, MAX_MS, options as checkOptions, signalOf, string, toBytes } from '../wire/check.js'
import { type Download, Downloading, type Source } from './download.js'
import { packHashes, toHash } from './hash.js'
import type { Bitfield, BlobFormat, ByteRange } from './info.js'
import { formatOf } from './options.js'
import { ALPN } from './protocol.js'
import { type Authorize, type BlobsLimits, ProviderCore, type ProviderEvent, providerSettings, type RequestKind } from './provider.js'
import { bitfields, over, pieces } from './remote.js'
import { type BlobStore, storeCore } from './store.js'
import type { StoreCore } from './store-core.js'
import { BlobTicket } from './ticket.js'
import type { LocalInfo } from './transfer.js'

const STALL_MS = 30_000

export interface BlobsOptions {
  /** Both ends must agree ['/iroh-bytes/4']. */
  readonly alpn?: string
  /** Asked once a request, before anything is sent; no means code 1. Silence of 5 s, or a throw, is no [everyone may]. */
  readonly authorize?: Authorize
  /** Which requests are served at all; push is off by default. */
  readonly allow?: { readonly [K in RequestKind]?: boolean }
  readonly limits?: BlobsLimits
  /** What happens at the provider; progress is lossy. */
  readonly onEvent?: (event: ProviderEvent) => void
}
/** What to fetch and from whom. */
export interface DownloadSource {
  readonly hash: Hash | Uint8Array
  /** ['raw'] */
  readonly format?: BlobFormat
  readonly providers: Iterable<Dialable> | AsyncIterable<Dialable>
}
export interface DownloadOptions extends WaitOptions {
  /** Only these bytes of a raw blob [all]; rounded out to 16 KiB. */
  readonly ranges?: readonly ByteRange[]
  /** Name that keeps the result [one made from the time]; null for none. */
  readonly tag?: BytesLike | null
  /** Split one blob or collection over several providers [true with more than one]. */
  readonly split?: boolean
  /** A provider is left after this time without a verified byte [30,000]. */
  readonly stallTimeoutMs?: number
  /** Bytes of the whole; more is BLOB_TOO_LARGE [no limit]. */
  readonly maxBytes?: number
  /** Ask for the sizes of up to 4,096 children too, beside the download, so that progress has a total early [false]. */
  readonly sizes?: boolean
}

/** A blob, or a hash sequence with its children. */
interface Content {
  readonly hash: Hash
  readonly hashBytes: Uint8Array
  readonly isSeq: boolean
}

/**
 * Provider and getter over one endpoint and store. Served in Rust: its bytes never enter V8.
 *
 * @example
 * ```ts
 * const blobs = new Blobs(endpoint, store)
 * const router = Router.builder(endpoint).accept(ALPN, blobs).spawn()
 * console.log(blobs.ticket(hash))
 * ```
 */
export class Blobs implements ProtocolHandler, AsyncDisposable {
  readonly endpoint: Endpoint
  readonly store: BlobStore
  readonly #core: EndpointCore
  readonly #store: StoreCore
  readonly #provider: ProviderCore
  readonly #alpn: string

  constructor(endpoint: Endpoint, store: BlobStore, options: BlobsOptions = {}) {
    checkOptions(options)
    this.#core = endpointCore(endpoint, 'endpoint')
    this.#core.check()
    this.#store = storeCore(store, 'store')
    this.#store.check()
    const settings = providerSettings(options)
    this.#alpn = options.alpn === undefined ? ALPN : string(options.alpn, 'alpn')
    this.#provider = new ProviderCore(this.#core, this.#store.lease.handle, settings)
    this.endpoint = endpoint
    this.store = store
  }

  /** @internal */
  get [NATIVE](): number {
    return this.#provider.handle
  }

  /** A `blob…` ticket for what this endpoint serves ['raw']. */
  ticket(hash: Hash | Uint8Array, format: BlobFormat = 'raw'): string {
    return BlobTicket.encode({ addr: this.endpoint.addr, hash: toHash(hash, 'hash'), format: formatOf(format) })
  }

  /** Into the store, from a ticket or from providers. */
  download(what: string | DownloadSource, options: DownloadOptions = {}): Download {
    this.#core.check()
    this.#store.check()
    const { content, providers } = sourceOf(what)
    const { tag } = options
    const several = Array.isArray(providers) && providers.length > 1
    const native = {
      ...(options.ranges !== undefined && { ranges: rangesOf(options.ranges) }),
      ...(tag !== undefined && tag !== null && { tag: copy(toBytes(tag, 'tag')) }),
      ...(options.maxBytes !== undefined && { maxBytes: integer(options.maxBytes, 'maxBytes', 0, Number.MAX_SAFE_INTEGER) }),
      autoTag: tag === undefined,
      split: options.split === undefined ? several : boolean(options.split, 'split'),
      stallTimeoutMs: stallOf(options),
      sizes: boolean(options.sizes ?? false, 'sizes'),
    }
    if (options.ranges !== undefined && content.isSeq) throw new TypeError('ranges: expected none for a hash sequence')
    const sources = sourcesOf(providers)
    const plan = { ...content, sources, alpn: this.#alpn, native, signal: signalOf(options) }
    return new Downloading(this.endpoint, this.#core, this.#store, plan)
  }

  /** What the store has of it. */
  async local(what: string | Omit<DownloadSource, 'providers'>, options: Pick<DownloadOptions, 'ranges'> = {}): Promise<LocalInfo> {
    const { hashBytes, isSeq } = typeof what === 'string' ? sourceOf(what).content : contentOf(what)
    const ranges = options.ranges === undefined ? null : rangesOf(options.ranges)
    return this.#store.call(
      (native, id, store) => native.blobsLocal(id, store, hashBytes, isSeq, ranges),
      (_, body) => JSON.parse(text(body)) as LocalInfo,
    )
  }

  /** What the provider has, as it changes; leave the loop to stop. Nothing in it is proof. */
  observe(provider: Dialable, hash: Hash | Uint8Array, options?: WaitOptions): AsyncIterable<Bitfield> {
    const [bytes, signal] = [packHashes([toHash(hash, 'hash')]), signalOf(options)]
    const { connection, isOwn } = this.#connect(provider, signal)
    return over(connection, isOwn, (core) =>
      bitfields(pieces(core, (native, call, handle) => native.blobsObserve(call, handle, bytes), signal)),
    )
  }

  /**
   * Resolves when the peer has the bytes; with `confirm` when it says that they are stored [false]. Codes: PROVIDER_REFUSED.
   */
  async push(
    to: Dialable,
    hash: Hash | Uint8Array,
    options: WaitOptions & { readonly format?: BlobFormat; readonly confirm?: boolean } = {},
  ): Promise<void> {
    const { hashBytes: bytes, isSeq, hash: name } = contentOf({ hash, ...(options.format && { format: options.format }) })
    const confirm = boolean(options.confirm ?? false, 'confirm')
    const signal = signalOf(options)
    this.#store.check()
    const connection = await this.endpoint.connect(to, this.#alpn, signal === undefined ? {} : { signal })
    try {
      const { handle } = connectionCore(connection, 'to')
      await this.#store.call(
        (native, id, store) => native.blobsPush(id, store, handle, bytes, isSeq),
        () => {},
        signal,
      )
      if (confirm) await this.#confirm(connection, isSeq ? [name, ...(await this.#children(name))] : [name], signal)
    } finally {
      connection.close()
    }
  }

  /** Verified bytes from one provider, past the store. */
  stream(provider: Dialable | Connection, hash: Hash | Uint8Array, options: ByteRange & WaitOptions = {}): AsyncIterable<Bytes> {
    const [bytes, signal] = [packHashes([toHash(hash, 'hash')]), signalOf(options)]
    const { start, end } = rangeOf(options, 'options')
    const { connection, isOwn } = this.#connect(provider, signal)
    return over(connection, isOwn, (core) =>
      pieces(core, (native, call, handle) => native.blobsStream(call, handle, bytes, start, end ?? null, STALL_MS), signal),
    )
  }

  /** Proven by the last chunk. */
  async size(provider: Dialable | Connection, hash: Hash | Uint8Array, options?: WaitOptions): Promise<number> {
    const [bytes, signal] = [packHashes([toHash(hash, 'hash')]), signalOf(options)]
    const { connection, isOwn } = this.#connect(provider, signal)
    const open = await connection
    try {
      const { bridge, endpoint, handle } = connectionCore(open, 'provider')
      const size = await bridge.call(
        (native, id) => native.blobsSize(id, handle, bytes, STALL_MS),
        (_, body) => Number(text(body)),
        { signal, group: endpoint.pending },
      )
      if (size > Number.MAX_SAFE_INTEGER) throw new GaiwanError('BLOB_TOO_LARGE', 'the blob has more than 2^53 - 1 bytes')
      return size
    } finally {
      if (isOwn) open.close()
    }
  }

  metrics(): Record<string, number> {
    return this.#provider.metrics
  }

  /** For the Router, or for a connection accepted elsewhere. */
  async accept(connection: Connection): Promise<void> {
    const { bridge, handle } = connectionCore(connection, 'connection')
    const provider = this.#provider.handle
    await bridge.call(
      (native, id) => native.blobsServe(id, provider, handle),
      () => {},
      { group: this.#core.pending, keep: connection },
    )
  }

  /** Serves no more, and closes the connections it serves; the store stays open. */
  async shutdown(): Promise<void> {
    this.#provider.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  #connect(
    provider: Dialable | Connection,
    signal: AbortSignal | undefined,
  ): { connection: Promise<Connection> | Connection; isOwn: boolean } {
    if (provider instanceof Connection) return { connection: provider, isOwn: false }
    const connection = this.endpoint.connect(provider, this.#alpn, signal === undefined ? {} : { signal })
    // Heard by whoever iterates; nobody may.
    connection.catch(() => {})
    return { connection, isOwn: true }
  }

  async #children(hash: Hash): Promise<Hash[]> {
    const bytes = await this.store.get(hash)
    return Array.from({ length: bytes.length / 32 }, (_, at) => toHash(bytes.subarray(32 * at, 32 * at + 32), 'hash'))
  }

  /** Waits until the peer says that it has all of each. */
  async #confirm(connection: Connection, hashes: readonly Hash[], signal: AbortSignal | undefined): Promise<void> {
    for (const hash of new Set(hashes)) {
      const options = signal === undefined ? {} : { signal }
      let isThere = false
      for await (const { isComplete } of this.observeOn(connection, hash, options)) {
        isThere = isComplete
        if (isThere) break
      }
      if (!isThere) throw new GaiwanError('PROVIDER_FAILED', `the peer did not say that it has ${hash}`)
    }
  }

  /** @internal As `observe`, over a connection that is there. */
  private observeOn(connection: Connection, hash: Hash, options: WaitOptions): AsyncIterable<Bitfield> {
    const [bytes, signal] = [packHashes([toHash(hash, 'hash')]), signalOf(options)]
    const core = connectionCore(connection, 'connection')
    return bitfields(pieces(core, (native, call, handle) => native.blobsObserve(call, handle, bytes), signal))
  }
}

function contentOf({ hash, format }: Omit<DownloadSource, 'providers'>): Content {
  const name = toHash(hash, 'hash')
  return { hash: name, hashBytes: packHashes([name]), isSeq: formatOf(format) === 'hashSeq' }
}

function sourceOf(what: string | DownloadSource): { content: Content; providers: Iterable<Dialable> | AsyncIterable<Dialable> } {
  if (typeof what === 'string') {
    const { addr, hash, format } = BlobTicket.decode(what)
    return { content: contentOf({ hash, format }), providers: [addr] }
  }
  const source: Partial<DownloadSource> = checkOptions(what, 'what')
  const { providers } = source
  if (typeof providers !== 'object' || providers === null || !(Symbol.iterator in providers || Symbol.asyncIterator in providers)) {
    throw new TypeError('providers: expected an iterable')
  }
  return { content: contentOf(what), providers }
}

/** Checked one by one, as they are needed. */
async function* sourcesOf(providers: Iterable<Dialable> | AsyncIterable<Dialable>): AsyncGenerator<Source, undefined, undefined> {
  const seen = new Set<string>()
  for await (const to of providers) {
    const { id } = toAddr(to, 'providers')
    if (seen.has(id)) continue
    seen.add(id)
    yield { to, id }
  }
}

function rangeOf({ start, end }: ByteRange, name: string): NativeByteRange {
  const from = start === undefined ? 0 : integer(start, `${name}.start`, 0, Number.MAX_SAFE_INTEGER)
  return end === undefined ? { start: from } : { start: from, end: integer(end, `${name}.end`, from, Number.MAX_SAFE_INTEGER) }
}

function rangesOf(ranges: readonly ByteRange[]): NativeByteRange[] {
  return ranges.map((range, at) => rangeOf(range, `ranges[${at}]`))
}

function stallOf({ stallTimeoutMs }: DownloadOptions): number {
  return stallTimeoutMs === undefined ? STALL_MS : integer(stallTimeoutMs, 'stallTimeoutMs', 1, MAX_MS)
}
