// Why a value cannot be written or bytes cannot be read, with the way to the bad field. Internal: users get a `GaiwanError`.
import { codedRangeError, GaiwanError } from '../errors.js'

/** What kind of failure: a value of another kind, a number out of its range, a message over its limit. */
export type FailureKind = 'value' | 'range' | 'large'

/** Travels up through the codecs, each of which adds its step. Not an `Error`: peers can cause many, and a stack for each would cost. */
export class Failure {
  /** Steps such as `.name` and `[3]`, the outermost first. */
  path = ''

  constructor(
    readonly text: string,
    readonly kind: FailureKind = 'value',
    readonly cause?: unknown,
  ) {}

  /** `Set.value[3]: 256 is not a u8`. */
  describe(where: string): string {
    const path = where === '' && this.path.startsWith('.') ? this.path.slice(1) : where + this.path
    return path === '' ? this.text : `${path}: ${this.text}`
  }
}

/** Ends writing or reading. */
export function fail(text: string): never {
  throw new Failure(text)
}

/** Adds a step to a failure; what user code threw becomes its cause. */
export function within(thrown: unknown, step: string): Failure {
  const failure = asFailure(thrown)
  failure.path = step + failure.path
  return failure
}

/** The error of a failed write: RPC_ENCODE, or RPC_TOO_LARGE at a limit. A number out of range is a `RangeError` too. */
export function encodeError(thrown: unknown, where: string): Error {
  const failure = asFailure(thrown)
  const text = failure.describe(where)
  if (failure.kind === 'range') return codedRangeError('RPC_ENCODE', text)
  return new GaiwanError(failure.kind === 'large' ? 'RPC_TOO_LARGE' : 'RPC_ENCODE', text, causeOf(failure))
}

/** The error of a failed read: RPC_DECODE. */
export function decodeError(thrown: unknown, where: string): GaiwanError {
  const failure = asFailure(thrown)
  return new GaiwanError('RPC_DECODE', failure.describe(where), causeOf(failure))
}

function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown
  return new Failure(thrown instanceof Error ? thrown.message : 'failed', 'value', thrown)
}

function causeOf({ cause }: Failure): { cause?: unknown } {
  return cause === undefined ? {} : { cause }
}
