// An address and what to ask for, as one printable string.
import type { EndpointAddr } from '../endpoint/addr.js'
import { normalize } from '../endpoint/addr.js'
import { native } from '../native.js'
import type { Hash } from '../wire/bytes.js'
import { string } from '../wire/check.js'
import { toHash } from './hash.js'
import type { BlobFormat } from './info.js'
import { formatOf } from './options.js'

export interface BlobTicketInfo {
  readonly addr: EndpointAddr
  readonly hash: Hash
  readonly format: BlobFormat
}

/**
 * `blob…` tickets: one relay at most, the first; a bad one is a `TypeError`.
 *
 * @example
 * ```ts
 * const { addr, hash, format } = BlobTicket.decode(ticket)
 * ```
 */
export const BlobTicket: {
  encode(ticket: BlobTicketInfo): string
  decode(ticket: string): BlobTicketInfo
} = {
  encode(ticket) {
    if (typeof ticket !== 'object' || ticket === null) throw new TypeError('ticket: expected { addr, hash, format }')
    const { id, addresses = [], relayUrls = [], customAddresses = [] } = normalize(ticket.addr, 'ticket.addr')
    const addr = { id, addresses: [...addresses], relayUrls: [...relayUrls], customAddresses: [...customAddresses] }
    const hash = toHash(ticket.hash, 'ticket.hash')
    const hashSeq = formatOf(ticket.format, 'ticket.format') === 'hashSeq'
    try {
      return native.encodeBlobTicket({ addr, hash, hashSeq })
    } catch {
      throw new TypeError('ticket.addr: too much for a ticket')
    }
  },
  decode(ticket) {
    const { addr, hash, hashSeq } = decode(string(ticket, 'ticket'))
    return { addr: normalize(addr, 'ticket'), hash, format: hashSeq ? 'hashSeq' : 'raw' }
  },
}

function decode(ticket: string): ReturnType<typeof native.decodeBlobTicket> {
  try {
    return native.decodeBlobTicket(ticket)
  } catch {
    throw new TypeError("ticket: expected a blob ticket, 'blob' and base32 text")
  }
}
