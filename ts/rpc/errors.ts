// How a call fails: codes on the wire, their names here, and the error that callers see.
import { type ErrorCode, GaiwanError, type GaiwanErrorOptions } from '../errors.js'

/** Codes of abort marks, resets and stops: `docs/wire/rpc.md`. 0 to 2 are the reference's (irpc 0.17), the rest are gaiwan's. */
export const CANCELLED = 0
export const TOO_LARGE = 1
export const NOT_ENCODED = 2
export const HANDLER_FAILED = 16
export const UNRECOGNISED = 17
export const BUSY = 18
export const DEADLINE = 19
export const SHUTTING_DOWN = 20

const NAMES: Readonly<Record<number, ErrorCode>> = {
  [CANCELLED]: 'RPC_CANCELLED',
  [TOO_LARGE]: 'RPC_TOO_LARGE',
  [NOT_ENCODED]: 'RPC_ENCODE',
  [HANDLER_FAILED]: 'RPC_HANDLER_FAILED',
  [UNRECOGNISED]: 'RPC_UNRECOGNISED',
  [BUSY]: 'RPC_BUSY',
  [DEADLINE]: 'RPC_DEADLINE',
  [SHUTTING_DOWN]: 'RPC_SHUTTING_DOWN',
}
const TEXTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  RPC_CANCELLED: 'the peer cancelled the call',
  RPC_TOO_LARGE: 'a message is above its limit',
  RPC_ENCODE: 'the peer could not encode a message',
  RPC_HANDLER_FAILED: 'the handler failed',
  RPC_UNRECOGNISED: 'the server did not understand the request',
  RPC_BUSY: 'the server is over a limit',
  RPC_DEADLINE: 'the time for the call is over',
  RPC_SHUTTING_DOWN: 'the server is shutting down',
  RPC_RESET: 'the peer reset the stream',
  RPC_TRUNCATED: 'the stream ended inside a message',
  RPC_NO_RESPONSE: 'the server ended without its answer',
  RPC_DECODE: 'a message cannot be decoded',
}

let make: <Code extends ErrorCode>(code: Code, method: string, text: string, options?: GaiwanErrorOptions) => RpcError<Code>

/**
 * A call failed. `code` says how; `applicationCode` is the peer's own code where it sent one.
 *
 * @example
 * ```ts
 * try {
 *   await shop.Buy({ name: 'sencha', grams: 5 }, { timeoutMs: 1_000 })
 * } catch (error) {
 *   if (error instanceof RpcError && error.code === 'RPC_DEADLINE') console.log(error.method, 'took too long')
 *   else throw error
 * }
 * ```
 */
export class RpcError<Code extends ErrorCode = ErrorCode> extends GaiwanError<Code> {
  readonly method: string

  static {
    make = (code, method, text, options) => new RpcError(code, method, text, options)
  }

  private constructor(code: Code, method: string, text: string, options?: GaiwanErrorOptions) {
    // The path in an error text of a codec begins with the method already.
    super(code, text.startsWith(method) ? text : `${method}: ${text}`, options)
    this.method = method
  }
}
Object.defineProperty(RpcError.prototype, 'name', { value: 'RpcError', configurable: true, writable: true })

export function rpcError<Code extends ErrorCode>(
  code: Code,
  method: string,
  text = TEXTS[code] ?? 'failed',
  options?: GaiwanErrorOptions,
): RpcError<Code> {
  return make(code, method, text, options)
}

/** What an abort mark says. An unknown code can be the first byte of a torn frame. */
export function markError(code: number, method: string): RpcError {
  const name = NAMES[code]
  return name === undefined ? rpcError('RPC_TRUNCATED', method) : rpcError(name, method, TEXTS[name], { applicationCode: code })
}

/** What a failure of transport means for a call. */
export function transportError(error: unknown, method: string): Error {
  if (error instanceof RpcError) return error
  if (!GaiwanError.is(error)) return error instanceof Error ? error : rpcError('INTERNAL', method, String(error))
  const { applicationCode, reason, by } = error
  let { code } = error as GaiwanError
  if (code === 'STREAM_RESET' || code === 'STREAM_STOPPED')
    code = (applicationCode !== undefined && NAMES[Number(applicationCode)]) || 'RPC_RESET'
  else if (code === 'STREAM_TOO_LONG') code = 'RPC_TOO_LARGE'
  const mapped = rpcError(code, method, TEXTS[code] ?? error.message, {
    cause: error,
    ...(applicationCode !== undefined && { applicationCode }),
    ...(reason !== undefined && { reason }),
  })
  return by === undefined ? mapped : Object.assign(mapped, { by })
}

/** Failures that mean that the connection is no more. */
export function isLost(error: unknown): boolean {
  return GaiwanError.is(error, 'CONNECTION_LOST', 'CONNECTION_CLOSED', 'LOCALLY_CLOSED')
}

/** The mark that a peer gets for what a handler threw. Nothing but the code crosses. */
export function markOf(error: unknown): number {
  if (typeof error === 'object' && error !== null && unencoded.has(error))
    return GaiwanError.is(error, 'RPC_TOO_LARGE') ? TOO_LARGE : NOT_ENCODED
  if (error instanceof RpcError) return HANDLER_FAILED
  if (GaiwanError.is(error, 'RPC_BUSY')) return BUSY
  return HANDLER_FAILED
}

/** What a codec says of a message of ours: a `RangeError` stays one. */
export function encodeFailure(error: unknown, method: string): unknown {
  if (!GaiwanError.is(error)) return error
  const { code, message } = error as GaiwanError
  const failure =
    error instanceof RangeError || error instanceof RpcError
      ? error
      : rpcError(code, method, message, 'cause' in error ? { cause: error.cause } : undefined)
  unencoded.add(failure)
  return failure
}

/** Failures of our own messages, wherever they travel. */
const unencoded = new WeakSet<object>()

/** What a codec says of a message of the peer's. */
export function decodeFailure(error: unknown, method: string): RpcError {
  return rpcError('RPC_DECODE', method, error instanceof Error ? error.message : 'a message cannot be decoded', { cause: error })
}
