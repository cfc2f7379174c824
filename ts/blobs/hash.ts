// Hashes of content.
import { resolve } from 'node:path'
import { bridge } from '../endpoint/bridge.js'
import type { WaitOptions } from '../endpoint/index.js'
import { native } from '../native.js'
import { type BytesLike, type Hash, hex, text } from '../wire/bytes.js'
import { isBytes, signalOf, string, toBytes } from '../wire/check.js'
import { awake } from './awake.js'

const FORM = 'expected a hash: 64 lowercase hex digits, 52 base32 characters or 32 bytes'
const HEX = /^[0-9a-f]{64}$/

/** A hash in any of its forms as lowercase hex; else a `TypeError`. */
export function toHash(value: Hash | Uint8Array, name: string): Hash {
  if (typeof value === 'string') {
    if (HEX.test(value)) return value
    try {
      return native.parseHash(value)
    } catch {
      // Whoever knows a hash can ask for its blob, so nothing is quoted.
    }
  } else if (isBytes(value) && value.length === 32) return hex(value)
  throw new TypeError(`${name}: ${FORM}`)
}

/** Hashes of 32 bytes each, one behind the other. */
export function packHashes(hashes: readonly Hash[]): Uint8Array {
  return Buffer.from(hashes.join(''), 'hex')
}

/** BLAKE3 of bytes in memory. */
export function hash(data: BytesLike): Hash {
  return native.hashBytes(toBytes(data, 'data'))
}

/** BLAKE3 of a file, on several cores. Codes: STORE_FAILED. */
export async function hashFile(path: string, options?: WaitOptions): Promise<Hash> {
  const file = resolve(string(path, 'path'))
  const signal = signalOf(options)
  const read = bridge().call(
    (native, id) => native.hashFile(id, file),
    (_, body) => (JSON.parse(text(body)) as { hash: Hash }).hash,
    { signal },
  )
  return awake(read)
}
