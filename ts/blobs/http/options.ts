// What a gateway is made of: where its bytes come from, and its limits.
import type { IncomingMessage } from 'node:http'
import type { BlobStore } from '../index.js'

/** Where a gateway reads: a `BlobStore`, or whatever answers these calls like one. */
export type GatewayStore = Pick<BlobStore, 'status' | 'read' | 'collection'>

export interface HandlerOptions {
  /**
   * Host names that are answered beside `localhost` and IP addresses, without port; `'*'` for any [none].
   * A page of a stranger whose name resolves to this machine (DNS rebinding) must not read the store.
   */
  readonly hosts?: '*' | readonly string[]
  /** Ranges of one answer, overlapping ones counted once; who asks for more gets the whole blob [16]. */
  readonly maxRanges?: number
  /** Entries of a collection that is shown as a directory; a longer one is only bytes [100,000]. */
  readonly maxEntries?: number
  /** Told what failed inside, whether or not a status could still say so. A client that leaves is no failure. */
  readonly onError?: (error: unknown, request: IncomingMessage) => void
}

/** Checked options. */
export interface Settings {
  readonly hosts: '*' | ReadonlySet<string>
  readonly maxRanges: number
  readonly maxEntries: number
  readonly onError: (error: unknown, request: IncomingMessage) => void
}

export function settings({ hosts = [], maxRanges = 16, maxEntries = 100_000, onError = () => {} }: HandlerOptions): Settings {
  if (hosts !== '*' && !(Array.isArray(hosts) && hosts.every((one) => typeof one === 'string'))) {
    throw new TypeError("hosts: expected '*' or an array of host names")
  }
  for (const [name, value] of Object.entries({ maxRanges, maxEntries })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name}: expected a whole number, 0 or more`)
  }
  if (typeof onError !== 'function') throw new TypeError('onError: expected a function')
  return { hosts: hosts === '*' ? '*' : new Set(hosts.map((one) => one.toLowerCase())), maxRanges, maxEntries, onError }
}
