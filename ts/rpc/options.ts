// Options of clients, servers and calls, checked before anything is done.
import { checkPriority } from '../endpoint/send.js'
import { boolean, func, integer, MAX_MS, MAX_U32, options as checkOptions, oneOf, signalOf } from '../wire/check.js'
import type { CallContext, CallOptions, NotifyOptions } from './types.js'

export interface ClientOptions {
  /** Connections to spread calls over [1]. */
  readonly connections?: number
  /** Closes an unused connection [never]. */
  readonly idleCloseMs?: number
  /** [5,000] */
  readonly drainMs?: number
  /** Time to finish a request that was aborted half-sent [5,000]. */
  readonly abortGraceMs?: number
  /** Trace context to send; only in span mode. */
  readonly inject?: () => Readonly<Record<string, string>>
}
export interface ServerOptions {
  /** Handlers at once on one connection [256]; more are RPC_BUSY. */
  readonly maxConcurrent?: number
  /** Bytes of unfinished requests of one connection [32 MiB]. */
  readonly maxPendingBytes?: number
  /** Start handlers in the order of calls, or as requests arrive ['stream']. */
  readonly order?: 'stream' | 'arrival'
  /** How long one request may hold up later ones [1,000]. */
  readonly headOfLineMs?: number
  /** Time to send a whole request [10,000]. */
  readonly requestTimeoutMs?: number
  /** Time for a handler [none]. */
  readonly callTimeoutMs?: number
  /** Then the connection is closed with code 2 [16]. */
  readonly maxBadRequests?: number
  /** [5,000] */
  readonly drainMs?: number
  /** Idempotent methods may start before the handshake is done [false]. */
  readonly early?: boolean
  /** Around every call, for logs and rate limits. */
  readonly around?: (call: CallContext, next: () => Promise<void>) => Promise<void>
  /** [process.emitWarning, once a method] */
  readonly onError?: (error: unknown, call: CallContext) => void
  /** Takes the caller's trace context; only in span mode. */
  readonly extract?: (trace: Readonly<Record<string, string>>) => void
}

/** What a client works with. */
export interface ClientSettings {
  readonly connections: number
  readonly idleCloseMs: number | undefined
  readonly drainMs: number
  readonly abortGraceMs: number
  readonly inject: (() => Readonly<Record<string, string>>) | undefined
}

const DEFAULT_MS = 5_000

export function clientSettings(given: ClientOptions | undefined): ClientSettings {
  const { connections = 1, idleCloseMs, drainMs = DEFAULT_MS, abortGraceMs = DEFAULT_MS, inject } = checkOptions(given)
  if (inject !== undefined) func(inject, 'inject')
  return {
    connections: integer(connections, 'connections', 1, 1_024),
    idleCloseMs: idleCloseMs === undefined ? undefined : integer(idleCloseMs, 'idleCloseMs', 0, MAX_MS),
    drainMs: integer(drainMs, 'drainMs', 0, MAX_MS),
    abortGraceMs: integer(abortGraceMs, 'abortGraceMs', 0, MAX_MS),
    inject,
  }
}

/** What a server works with. */
export interface ServerSettings {
  readonly maxConcurrent: number
  readonly maxPendingBytes: number
  readonly headOfLineMs: number
  readonly requestTimeoutMs: number
  readonly callTimeoutMs: number | undefined
  readonly maxBadRequests: number
  readonly drainMs: number
  readonly early: boolean
  readonly around: ServerOptions['around']
  readonly onError: ServerOptions['onError']
  readonly extract: ServerOptions['extract']
}

export function serverSettings(given: ServerOptions | undefined): ServerSettings {
  const options = checkOptions(given)
  const { order = 'stream', callTimeoutMs, early = false, around, onError, extract } = options
  for (const [name, value] of Object.entries({ around, onError, extract })) if (value !== undefined) func(value, name)
  oneOf(order, 'order', ['stream', 'arrival'])
  return {
    maxConcurrent: integer(options.maxConcurrent ?? 256, 'maxConcurrent', 1, MAX_U32),
    maxPendingBytes: integer(options.maxPendingBytes ?? 32 * 1024 * 1024, 'maxPendingBytes', 1, Number.MAX_SAFE_INTEGER),
    headOfLineMs: order === 'arrival' ? 0 : integer(options.headOfLineMs ?? 1_000, 'headOfLineMs', 0, MAX_MS),
    requestTimeoutMs: integer(options.requestTimeoutMs ?? 10_000, 'requestTimeoutMs', 1, MAX_MS),
    callTimeoutMs: callTimeoutMs === undefined ? undefined : integer(callTimeoutMs, 'callTimeoutMs', 1, MAX_MS),
    maxBadRequests: integer(options.maxBadRequests ?? 16, 'maxBadRequests', 1, MAX_U32),
    drainMs: integer(options.drainMs ?? DEFAULT_MS, 'drainMs', 0, MAX_MS),
    early: boolean(early, 'early'),
    around,
    onError,
    extract,
  }
}

/** The options of one call. */
export interface CallSettings {
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number | undefined
  readonly priority: number
  readonly delivered: boolean
}

const PLAIN_CALL: CallSettings = { signal: undefined, timeoutMs: undefined, priority: 0, delivered: false }

export function callSettings(given: CallOptions | NotifyOptions | undefined): CallSettings {
  if (given === undefined) return PLAIN_CALL
  const signal = signalOf(given)
  const { timeoutMs, priority = 0, delivered = false } = given as NotifyOptions
  if (timeoutMs !== undefined) integer(timeoutMs, 'timeoutMs', 0, MAX_MS)
  if (priority !== 0) checkPriority(priority)
  return { signal, timeoutMs, priority, delivered: boolean(delivered, 'delivered') }
}
