// What a protocol offers to a Router.
import type { Connection } from '../endpoint/connection.js'
import type { EarlyIncoming } from '../endpoint/early.js'
import type { Incoming } from '../endpoint/incoming.js'
import type { Bytes } from '../wire/bytes.js'

/** Under this key a handler that is served natively tells its handle; its connections never come here. */
export const NATIVE = Symbol('native handler')

/** A handler with a native half. */
export interface NativeHandler extends ProtocolHandler {
  readonly [NATIVE]: number
}

/** One protocol at the accepting side. */
export interface ProtocolHandler {
  /** The connection's life: it is closed with code 0 when this settles. A rejection closes it with the error's `applicationCode` [0]. */
  accept(connection: Connection): Promise<void> | void
  /** False refuses before the handshake. The ALPN is unknown here: every handler of the Router is asked. */
  onIncoming?(incoming: Incoming): boolean | Promise<boolean>
  /** Takes part in the handshake [accepting.finish()]. */
  onAccepting?(accepting: Accepting): Promise<Connection>
  /** Whether `accepting.early()` is allowed [false]. */
  readonly early?: boolean
  /** At most 10 s. */
  shutdown?(): Promise<void> | void
}
/** A handshake under way. */
export interface Accepting {
  readonly remoteAddress: string
  /** Chosen, but the peer is not authenticated yet. */
  alpn(): Promise<Bytes>
  finish(): Promise<Connection>
  /** NOT_ALLOWED unless the handler says `early: true`. */
  early(): Promise<EarlyIncoming>
}
/** What to do with an attempt. */
export type IncomingVerdict = 'accept' | 'retry' | 'refuse' | 'ignore'

/** A function is a handler too. */
export function toHandler(handler: ProtocolHandler | ProtocolHandler['accept'], name: string): ProtocolHandler {
  if (typeof handler === 'function') return { accept: handler }
  if (typeof handler !== 'object' || handler === null || typeof handler.accept !== 'function') {
    throw new TypeError(`${name}: expected a function or an object with accept(connection)`)
  }
  for (const method of ['onIncoming', 'onAccepting', 'shutdown'] as const) {
    if (handler[method] !== undefined && typeof handler[method] !== 'function') {
      throw new TypeError(`${name}.${method}: expected a function`)
    }
  }
  return handler
}
