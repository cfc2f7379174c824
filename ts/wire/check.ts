// Checks of arguments, before anything crosses. Messages name the argument and the accepted form, and never quote a value.
import { isUint8Array } from 'node:util/types'
import { type BytesLike, utf8 } from './bytes.js'

/** The largest application code and stream count: 2^62 - 1 (RFC 9000, section 16). */
const MAX_VARINT = (1n << 62n) - 1n
/** Milliseconds that a timer can hold. */
export const MAX_MS = 2 ** 31 - 1
/** What fits a u32. */
export const MAX_U32 = 2 ** 32 - 1

/** Whether it is a Uint8Array, of another realm too. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || isUint8Array(value)
}

/** Bytes as they are, a string as UTF-8. */
export function toBytes(value: BytesLike, name: string): Uint8Array {
  if (typeof value === 'string') return utf8(value)
  if (isBytes(value)) return value
  throw new TypeError(`${name}: expected a Uint8Array or a string`)
}

/** A whole number in a range, both ends included. */
export function integer(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number') throw new TypeError(`${name}: expected a whole number from ${min} to ${max}`)
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name}: expected a whole number from ${min} to ${max}`)
  }
  return value
}

/** A number in a range, fractions allowed. */
export function number(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number') throw new TypeError(`${name}: expected a number from ${min} to ${max}`)
  if (!(value >= min && value <= max)) throw new RangeError(`${name}: expected a number from ${min} to ${max}`)
  return value
}

/** An application code: 0 to 2^62 - 1. */
export function code(value: number | bigint, name: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  if (typeof value === 'bigint' && value >= 0n && value <= MAX_VARINT) return value
  const wrong = `${name}: expected a whole number from 0 to 2^62 - 1`
  throw typeof value === 'number' || typeof value === 'bigint' ? new RangeError(wrong) : new TypeError(wrong)
}

/** One of a few texts. */
export function oneOf<T extends string>(value: unknown, name: string, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T
  throw new TypeError(`${name}: expected ${choices.map((choice) => `'${choice}'`).join(', ')}`)
}

export function boolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw new TypeError(`${name}: expected true or false`)
  return value
}

export function string(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new TypeError(`${name}: expected a string`)
  return value
}

export function func<T>(value: T, name: string): T {
  if (typeof value !== 'function') throw new TypeError(`${name}: expected a function`)
  return value
}

/** An options object; absent is an empty one. */
export function options<T extends object>(value: T | undefined, name = 'options'): T | Record<string, never> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null) throw new TypeError(`${name}: expected an object`)
  return value
}

/** A list; strings and bytes are none. */
export function list<T>(value: readonly T[], name: string): readonly T[] {
  if (!Array.isArray(value)) throw new TypeError(`${name}: expected an array`)
  return value
}

/** The signal of options that have one. */
export function signalOf(value: { readonly signal?: AbortSignal } | undefined): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null) throw new TypeError('options: expected an object')
  const { signal } = value
  if (signal !== undefined && !(typeof signal === 'object' && signal !== null && typeof signal.addEventListener === 'function')) {
    throw new TypeError('signal: expected an AbortSignal')
  }
  return signal
}

/** An ALPN: 1 to 255 bytes. A copy, so that later changes of the argument do not matter. */
export function alpn(value: BytesLike, name = 'alpn'): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(toBytes(value, name))
  if (bytes.length < 1 || bytes.length > 255) throw new RangeError(`${name}: expected 1 to 255 bytes`)
  return bytes
}

/** A list of ALPNs, each once. */
export function alpns(value: readonly BytesLike[], name = 'alpns'): Uint8Array<ArrayBuffer>[] {
  const seen = new Set<string>()
  return list(value, name).map((one, n) => {
    const bytes = alpn(one, `${name}[${n}]`)
    const key = bytes.join()
    if (seen.has(key)) throw new TypeError(`${name}[${n}]: expected each ALPN once`)
    seen.add(key)
    return bytes
  })
}

/** Text of at most `max` bytes of UTF-8. */
export function shortText(value: unknown, name: string, max: number): string {
  if (Buffer.byteLength(string(value, name)) > max) throw new RangeError(`${name}: expected at most ${max} bytes`)
  return value as string
}
