// The error class, and the only place that reads errors of the native core.

/** Every failure that an operation can have. Stable; messages are not. */
export type ErrorCode =
  // process and package
  /** A Rust task panicked; only that connection or store is gone. */
  | 'INTERNAL'
  /** No native binary fits this platform; the message lists what was tried. */
  | 'NATIVE_NOT_FOUND'
  /** The peer broke the rules of an application protocol. */
  | 'PROTOCOL_VIOLATION'
  /** An exchange made no progress within its time limit. */
  | 'TIMEOUT'
  // endpoint
  /** A socket could not be opened or the TLS identity not set up. */
  | 'BIND_FAILED'
  /** A call after `endpoint.close()`. */
  | 'ENDPOINT_CLOSED'
  /** Nothing to dial: no address was given and no lookup is set. */
  | 'NO_ADDRESS'
  /** Every lookup failed; `cause` is an `AggregateError`. */
  | 'LOOKUP_FAILED'
  /** The id to dial is our own. */
  | 'SELF_DIAL'
  /** A `beforeConnect` hook said no. */
  | 'DIAL_REJECTED'
  /** `maxConnections` is reached. */
  | 'LIMIT_REACHED'
  // handshake
  /** The handshake did not end within its limit. */
  | 'HANDSHAKE_TIMEOUT'
  /** The peer refused before the handshake (transport code 2). */
  | 'CONNECTION_REFUSED'
  /** No ALPN in common. */
  | 'ALPN_MISMATCH'
  /** Whoever answered does not hold the key of the id that was dialed. */
  | 'PEER_KEY_MISMATCH'
  /** Any other TLS or version failure; `alert` has the TLS alert number. */
  | 'HANDSHAKE_FAILED'
  /** The peer showed no usable key, or its id is not known yet (0-RTT). */
  | 'PEER_UNAUTHENTICATED'
  /** Retry of an attempt whose address is validated already; it may still be accepted. */
  | 'RETRY_NOT_ALLOWED'
  /** A second decision on one `Incoming`. */
  | 'INCOMING_DECIDED'
  /** A handler, a hook or a switched-off feature says no. */
  | 'NOT_ALLOWED'
  // connection
  /** The peer's application closed; see `applicationCode` and `reason`. */
  | 'CONNECTION_CLOSED'
  /** Timeout, reset or transport failure after the handshake; `by` says which. */
  | 'CONNECTION_LOST'
  /** We closed it. */
  | 'LOCALLY_CLOSED'
  // streams and datagrams
  /** The peer reads no more of this stream; see `applicationCode`. */
  | 'STREAM_STOPPED'
  /** The peer reset this stream; see `applicationCode`. */
  | 'STREAM_RESET'
  /** Write or finish after finish or reset. */
  | 'STREAM_CLOSED'
  /** More bytes than the limit of `readToEnd`, `request` or `serve`. */
  | 'STREAM_TOO_LONG'
  /** `readExact` met the end; `bytesRead` tells how far it came. */
  | 'STREAM_ENDED_EARLY'
  /** The peer did not take our early data; streams opened before are dead. */
  | 'EARLY_DATA_REJECTED'
  /** The peer takes no datagrams. */
  | 'DATAGRAM_UNSUPPORTED'
  /** Datagrams are switched off at our side. */
  | 'DATAGRAM_DISABLED'
  /** Over `maxDatagramBytes`, which can fall. */
  | 'DATAGRAM_TOO_LARGE'
  // stores (blobs and docs)
  /** Reading or writing the disk failed; earlier verified data stays usable. */
  | 'STORE_FAILED'
  /** Another process, or another store object, owns the directory. */
  | 'STORE_LOCKED'
  /** A call after the store was closed. */
  | 'STORE_CLOSED'
  /** The disk or the quota is full. */
  | 'STORE_FULL'
  /** Too many blobs are being filled at once. */
  | 'STORE_BUSY'
  // blobs
  /** The store does not hold the blob, or no provider had it. */
  | 'BLOB_NOT_FOUND'
  /** The store holds only a part of what was asked for. */
  | 'BLOB_INCOMPLETE'
  /** Bytes on disk no longer match their hash; they were not returned. */
  | 'BLOB_CORRUPT'
  /** A tag or a running operation protects the blob from `delete`. */
  | 'BLOB_PROTECTED'
  /** More than the given or the safe number of bytes. */
  | 'BLOB_TOO_LARGE'
  /** A provider sent bytes that do not match the hash; nothing of them was kept. */
  | 'HASH_MISMATCH'
  /** A hash sequence or collection is malformed. */
  | 'COLLECTION_INVALID'
  /** A name in a collection would leave the target or cannot be a file here; nothing was written. */
  | 'UNSAFE_NAME'
  /** The target of an export exists. */
  | 'TARGET_EXISTS'
  /** No such tag. */
  | 'TAG_NOT_FOUND'
  /** There is no provider left to ask; `cause` has one error for each that was tried. */
  | 'NO_PROVIDER'
  /** The provider does not permit it (its code 1). */
  | 'PROVIDER_REFUSED'
  /** The provider limits our rate (its code 2). */
  | 'PROVIDER_BUSY'
  /** The provider failed (its code 3). */
  | 'PROVIDER_FAILED'
  // gossip
  /** Content above `maxContentBytes`. */
  | 'MESSAGE_TOO_LARGE'
  /** No neighbor within the time given; `cause` lists the failed peers. */
  | 'JOIN_TIMEOUT'
  /** A call on a topic that was left. */
  | 'TOPIC_CLOSED'
  /** A call after `gossip.shutdown()`. */
  | 'GOSSIP_CLOSED'
  // docs
  /** No such document here. */
  | 'DOC_NOT_FOUND'
  /** A call on a document handle that was closed, or whose document was dropped. */
  | 'DOC_CLOSED'
  /** The write key of the document is not here. */
  | 'READ_ONLY'
  /** An empty value cannot be stored; use `delete`. */
  | 'EMPTY_VALUE'
  /** A key above `limits.maxKeyBytes`. */
  | 'KEY_TOO_LONG'
  /** An imported row is older than the one that stands here. */
  | 'NEWER_EXISTS'
  /** Our clock is more than 10 minutes behind a row of the same author. */
  | 'CLOCK_BEHIND'
  /** The secret of the author is not here. */
  | 'AUTHOR_NOT_FOUND'
  /** The default author cannot be deleted. */
  | 'AUTHOR_IN_USE'
  /** The row is here, its content is not. */
  | 'CONTENT_MISSING'
  /** The content has another length than the row says. */
  | 'SIZE_MISMATCH'
  /** The peer declined to sync; `reason` says why. */
  | 'SYNC_REFUSED'
  /** A sync session broke off. */
  | 'SYNC_FAILED'
  // rpc
  /** The peer cancelled the call (code 0). */
  | 'RPC_CANCELLED'
  /** A message above its limit (code 1). */
  | 'RPC_TOO_LARGE'
  /** A value that its codec cannot encode (code 2). */
  | 'RPC_ENCODE'
  /** Bytes that the codec cannot decode. */
  | 'RPC_DECODE'
  /** The handler threw (code 16). */
  | 'RPC_HANDLER_FAILED'
  /** The server did not understand the request (code 17). */
  | 'RPC_UNRECOGNISED'
  /** The server is over a limit (code 18). */
  | 'RPC_BUSY'
  /** `timeoutMs` of the call or `callTimeoutMs` of the server passed (code 19). */
  | 'RPC_DEADLINE'
  /** The server is shutting down (code 20). */
  | 'RPC_SHUTTING_DOWN'
  /** The stream was reset with a code of another meaning. */
  | 'RPC_RESET'
  /** The stream ended inside a message. */
  | 'RPC_TRUNCATED'
  /** The server ended without its one answer. */
  | 'RPC_NO_RESPONSE'
  // automerge
  /** A frame above `maxMessageBytes`, `maxSendBytes` or `maxReceiveBytes`. */
  | 'FRAME_TOO_LARGE'
  /** The claimed peer id is not the verified endpoint id. */
  | 'PEER_ID_MISMATCH'
  /** The documents did not converge within 1,000 rounds. */
  | 'SYNC_DIVERGED'

/** How a connection ended. */
export type ClosedBy = 'local' | 'remote' | 'timeout' | 'reset' | 'transport'

export interface GaiwanErrorOptions {
  readonly cause?: unknown
  /** 0 to 2^62 - 1. */
  readonly applicationCode?: number | bigint
  readonly reason?: string
}

/** Marks our errors, also those of another copy of this module in the same process. */
const BRAND = Symbol.for('gaiwan.GaiwanError')

/**
 * An operation failed. Wrong arguments are `TypeError` or `RangeError` instead, aborts the signal's reason.
 *
 * @example
 * ```ts
 * try {
 *   await endpoint.connect(id, 'example/echo/1')
 * } catch (error) {
 *   if (GaiwanError.is(error, 'ALPN_MISMATCH')) console.log('no version in common')
 *   else throw error
 * }
 * ```
 */
export class GaiwanError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly code: Code
  /** The peer's own code where it sent one; thrown by a handler it is the code that the peer gets. */
  declare readonly applicationCode?: bigint
  /** The peer's text, untrusted. */
  declare readonly reason?: string
  /** With CONNECTION_LOST. */
  declare readonly by?: ClosedBy
  /** With HANDSHAKE_FAILED: the TLS alert. */
  declare readonly alert?: number
  /** With STREAM_ENDED_EARLY. */
  declare readonly bytesRead?: number

  constructor(code: Code, message: string, options: GaiwanErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    if (options.applicationCode !== undefined) this.applicationCode = checkCode(options.applicationCode)
    if (options.reason !== undefined) this.reason = String(options.reason)
  }

  /** Narrows by code: `if (GaiwanError.is(e, 'ALPN_MISMATCH', 'CONNECTION_REFUSED')) …`; no code: any GaiwanError. */
  static is<C extends ErrorCode = ErrorCode>(error: unknown, ...codes: readonly C[]): error is GaiwanError<C> {
    if (typeof error !== 'object' || error === null || !(BRAND in error)) return false
    return codes.length === 0 || codes.includes((error as { code?: unknown }).code as C)
  }
}
Object.defineProperty(GaiwanError.prototype, BRAND, { value: true })
// Instances are also those of another copy of this module, and a `RangeError` with a code; subclasses have the usual rule.
Object.defineProperty(GaiwanError, Symbol.hasInstance, {
  value(this: unknown, error: unknown): boolean {
    return this === GaiwanError ? GaiwanError.is(error) : Function.prototype[Symbol.hasInstance].call(this as typeof GaiwanError, error)
  },
})
// On the prototype, so that it is no own property that `inspect` would print.
Object.defineProperty(GaiwanError.prototype, 'name', { value: 'GaiwanError', configurable: true, writable: true })

/**
 * A `RangeError` with a code, for numbers inside a value that is encoded: `GaiwanError.is` knows it, as `instanceof` does.
 *
 * @internal
 */
export function codedRangeError(code: ErrorCode, message: string): RangeError & { readonly code: ErrorCode } {
  return Object.defineProperty(Object.assign(new RangeError(message), { code }), BRAND, { value: true })
}

/** The largest code of an application: 2^62 - 1 (RFC 9000, section 16). */
const MAX_CODE = (1n << 62n) - 1n

function checkCode(code: number | bigint): bigint {
  const whole = typeof code === 'bigint' || Number.isSafeInteger(code)
  if (!whole || code < 0 || code > MAX_CODE) throw new RangeError('applicationCode: expected a whole number from 0 to 2^62 - 1')
  return BigInt(code)
}

/** What the native core says about a failure; see `docs/design/boundary.md`. */
interface NativeFailure {
  readonly code: ErrorCode
  readonly message: string
  readonly applicationCode?: string
  readonly reason?: string
  readonly by?: ClosedBy
  readonly alert?: number
  readonly bytesRead?: number
}

/**
 * The error of an ERROR or FAILED record.
 *
 * @internal
 */
export function fromNative(text: string): GaiwanError {
  const failure = parse(text)
  if (failure === null) return new GaiwanError('INTERNAL', text)
  const { code, message, applicationCode, reason, by, alert, bytesRead } = failure
  const error = new GaiwanError(code, message, {
    ...(applicationCode !== undefined && { applicationCode: BigInt(applicationCode) }),
    ...(reason !== undefined && { reason }),
  })
  return Object.assign(error, by && { by }, alert !== undefined && { alert }, bytesRead !== undefined && { bytesRead })
}

/**
 * The error of a native method that threw.
 *
 * @internal
 */
export function fromThrown(thrown: unknown): GaiwanError {
  return thrown instanceof GaiwanError ? thrown : fromNative(thrown instanceof Error ? thrown.message : String(thrown))
}

function parse(text: string): NativeFailure | null {
  if (!text.startsWith('{')) return null
  try {
    const value = JSON.parse(text) as NativeFailure
    return typeof value.code === 'string' ? value : null
  } catch {
    return null
  }
}

/**
 * STREAM_ENDED_EARLY is found in TypeScript, so its count is set here.
 *
 * @internal
 */
export function endedEarly(wanted: number, bytesRead: number): GaiwanError {
  const error = new GaiwanError('STREAM_ENDED_EARLY', `the stream ended after ${bytesRead} of ${wanted} bytes`)
  return Object.assign(error, { bytesRead })
}

/**
 * The code that a peer gets for what a handler threw.
 *
 * @internal
 */
export function applicationCodeOf(error: unknown): bigint {
  return GaiwanError.is(error) ? (error.applicationCode ?? 0n) : 0n
}
