// What a URL asks for: a hash, and perhaps a name within it. Nothing here is ever a path of a file system.
import type { Hash } from '../../wire/bytes.js'

export interface Target {
  readonly hash: Hash
  /** What follows the hash, decoded once: `''` for a slash alone, null for nothing. `..` in it is a name like any other. */
  readonly path: string | null
  /** The query's `filename`, by which a blob without a name gets a type. */
  readonly filename: string | null
}

/**
 * Reads a request target in origin or absolute form (RFC 9112, section 3.2).
 * 'malformed' is nonsense by its form, 'unknown' a path that begins with no hash.
 */
export function parseTarget(url: string): Target | 'malformed' | 'unknown' {
  const rest = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/#.*$/s, '')
  const mark = rest.indexOf('?')
  const path = mark === -1 ? rest : rest.slice(0, mark)
  if (!path.startsWith('/')) return 'malformed'
  const slash = path.indexOf('/', 1)
  try {
    const hash = parseHash(decodeURIComponent(path.slice(1, slash === -1 ? undefined : slash)))
    const name = slash === -1 ? null : decodeURIComponent(path.slice(slash + 1))
    if (hash === null) return 'unknown'
    return { hash, path: name, filename: mark === -1 ? null : new URLSearchParams(rest.slice(mark)).get('filename') }
  } catch {
    return 'malformed'
  }
}

/** The two printed forms of a hash (`iroh-blobs` 0.104, `src/hash.rs`): lowercase hex, or base32 in any case. */
export function parseHash(text: string): Hash | null {
  if (/^[0-9a-f]{64}$/.test(text)) return text
  return /^[a-z2-7]{52}$/i.test(text) ? fromBase32(text.toLowerCase()) : null
}

/** RFC 4648, section 6, without padding. 52 characters are 260 bits; the last four must be zero, so that each hash has one form. */
function fromBase32(text: string): Hash | null {
  let bits = 0n
  for (const char of text) bits = (bits << 5n) | BigInt('abcdefghijklmnopqrstuvwxyz234567'.indexOf(char))
  return bits & 15n ? null : (bits >> 4n).toString(16).padStart(64, '0')
}
