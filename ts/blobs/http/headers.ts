// Headers of answers.
import type { OutgoingHttpHeaders } from 'node:http'
import { LISTING_POLICY, LISTING_TYPES, type ListingForm } from './listing.js'
import type { Found } from './resolve.js'
import { isPassive, typeOf } from './types.js'

/** The entity tag of a blob is its hash; each form of a listing has its own. */
export function etagOf(found: Found, form: ListingForm): string {
  if (found.kind === 'blob') return `"${found.hash}"`
  const { hash, slash } = found.listing
  return `"${hash}-${form}${slash ? '-s' : ''}"`
}

/** What a 304 repeats (RFC 9110, section 15.4.5). */
export function cacheHeaders(found: Found, etag: string): OutgoingHttpHeaders {
  if (found.kind === 'blob') return { etag, 'cache-control': 'public, max-age=31536000, immutable' }
  // The names are fixed, but a later release may show them otherwise.
  return { etag, 'cache-control': 'public, max-age=3600', vary: 'accept' }
}

export function blobHeaders(name: string | null): OutgoingHttpHeaders & { 'content-type': string } {
  const type = typeOf(name)
  return {
    'content-type': type,
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    ...(!isPassive(type) && { 'content-security-policy': 'sandbox' }),
  }
}

export function listingHeaders(form: ListingForm): OutgoingHttpHeaders {
  return {
    'content-type': LISTING_TYPES[form],
    'x-content-type-options': 'nosniff',
    'content-security-policy': LISTING_POLICY,
    'referrer-policy': 'no-referrer',
  }
}
