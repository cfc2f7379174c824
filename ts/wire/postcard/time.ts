// Rust's Duration and SystemTime: u64 seconds and u32 nanoseconds (serde 1.0.229, `src/private/de.rs` and `src/de/impls.rs`).
import { Failure, fail } from '../failure.js'
import type { Codec } from './codec.js'
import { u32, u64 } from './number.js'
import { struct } from './product.js'
import { named } from './wrap.js'

/** A span of time, or a time since the start of 1970 (UTC), to the nanosecond. */
export interface Seconds {
  readonly seconds: bigint
  /** 0 to 999,999,999. */
  readonly nanos: number
}

const NANOS = 1_000_000_000
const MAX_U64 = (1n << 64n) - 1n
/** SystemTime holds i64 seconds where Rust has a Unix below it. */
const MAX_I64 = (1n << 63n) - 1n

function time(name: string, max: bigint): Codec<{ seconds: bigint; nanos: number }> {
  return named(name, struct({ seconds: u64, nanos: u32 }), {
    // Whole seconds among the nanoseconds are carried over, as Rust does.
    decode({ seconds: whole, nanos }) {
      const seconds = whole + BigInt(Math.floor(nanos / NANOS))
      if (seconds > max) fail(`more seconds than a ${name} has`)
      return { seconds, nanos: nanos % NANOS }
    },
    encode(value: Seconds) {
      if (typeof value !== 'object' || value === null) fail('expected { seconds, nanos }')
      const { seconds, nanos } = value
      if (typeof seconds === 'bigint' && seconds > max) throw new Failure(`more seconds than a ${name} has`, 'range')
      if (typeof nanos === 'number' && nanos >= NANOS) throw new Failure('more nanoseconds than a second has', 'range')
      return value
    },
  })
}

/** Rust's Duration, to the nanosecond. */
export const duration: Codec<{ seconds: bigint; nanos: number }> = time('Duration', MAX_U64)
/** Rust's SystemTime since the start of 1970 (UTC), to the nanosecond. Times before that cannot be encoded, as in Rust. */
export const systemTime: Codec<{ seconds: bigint; nanos: number }> = time('SystemTime', MAX_I64)
