// Conditional requests (RFC 9110, section 13). What a hash names never changes, so its tag is strong and dates play no part.
import type { IncomingHttpHeaders } from 'node:http'

/** What the conditions of a request come to; `ranges` tells whether `Range` may still be honoured. */
export type Verdict = 304 | 412 | { readonly ranges: boolean }

/** In the order of section 13.2.2. `etag` with its quotes. */
export function judge(headers: IncomingHttpHeaders, etag: string): Verdict {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch, 'if-range': ifRange } = headers
  if (ifMatch !== undefined && !lists(ifMatch, etag, 'strong')) return 412
  if (ifNoneMatch !== undefined && lists(ifNoneMatch, etag, 'weak')) return 304
  // A date or a weak tag proves nothing about bytes.
  return { ranges: ifRange === undefined || String(ifRange).trim() === etag }
}

/** Whether a list of entity tags has this one; weak comparison overlooks the `W/`. */
function lists(header: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true
  for (const [, weak, tag] of header.matchAll(/(W\/)?("[^"]*")/g)) {
    if (tag === etag && (comparison === 'weak' || weak === undefined)) return true
  }
  return false
}
