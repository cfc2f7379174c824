// Addresses of endpoints, and the tickets that carry them.
import { native, type NativeAddr } from '../native.js'
import { isBytes, list, string } from '../wire/check.js'
import { type EndpointId, toId } from './key.js'

/** An id and the ways to reach it. */
export interface EndpointAddr {
  readonly id: EndpointId
  /** `'ip:port'` or `'[v6]:port'`. */
  readonly addresses?: readonly string[]
  /** The first relay, as a normalised URL. */
  readonly relayUrl?: string
  /** All relays; the first repeats in `relayUrl`. */
  readonly relayUrls?: readonly string[]
  /** Other transports, `'<id hex>_<data hex>'`; kept, not dialed. */
  readonly customAddresses?: readonly string[]
}

/** Whom to dial: an address, an id (text or 32 bytes, found by `lookup`), or an `endpoint…` ticket. */
export type Dialable = EndpointAddr | EndpointId | string | Uint8Array

/**
 * `endpoint…` tickets; a bad one is a `TypeError`.
 *
 * @example
 * ```ts
 * const addr = EndpointTicket.decode(ticket)
 * const connection = await endpoint.connect(addr, 'example/echo/1')
 * ```
 */
export const EndpointTicket: {
  encode(addr: EndpointAddr): string
  decode(ticket: string): EndpointAddr
} = {
  encode(addr) {
    try {
      return native.encodeTicket(toNative(addr, 'addr'))
    } catch (error) {
      throw error instanceof TypeError ? error : new TypeError('addr: too much for a ticket, expected at most 128 addresses and 16 KiB')
    }
  },
  decode(ticket) {
    return decode(string(ticket, 'ticket'), 'ticket')
  },
}

function decode(ticket: string, name: string): EndpointAddr {
  let addr: NativeAddr
  try {
    addr = native.decodeTicket(ticket)
  } catch {
    throw new TypeError(`${name}: expected an endpoint ticket, 'endpoint' and base32 text`)
  }
  return fromNative(addr)
}

/** The address in normal form, sorted, each entry once; a malformed part is a `TypeError` that names it. */
export function normalize(addr: EndpointAddr, name: string): EndpointAddr {
  return fromNative(native.normalizeAddr(toNative(addr, name)))
}

/** Whom to dial, in normal form. */
export function toAddr(to: Dialable, name: string): EndpointAddr {
  if (typeof to === 'string') return to.startsWith('endpoint') ? decode(to, name) : { id: toId(to, name) }
  if (isBytes(to)) return { id: toId(to, name) }
  if (typeof to === 'object' && to !== null) return normalize(to, name)
  throw new TypeError(`${name}: expected an EndpointAddr, an endpoint id or an endpoint ticket`)
}

/** `ip:port` in normal form; else a `TypeError`. */
export function toAddress(address: string, name: string): string {
  // Some id is needed to ask; this one is the base point of the curve.
  const probe = { id: `58${'66'.repeat(31)}`, addresses: [string(address, name)], relayUrls: [], customAddresses: [] }
  try {
    return native.normalizeAddr(probe).addresses[0] as string
  } catch {
    throw new TypeError(`${name}: expected 'ip:port' or '[v6]:port'`)
  }
}

const FORMS = {
  addresses: "expected 'ip:port' or '[v6]:port'",
  relayUrls: 'expected an http or https URL',
  customAddresses: "expected '<id hex>_<data hex>'",
} as const

function toNative(addr: EndpointAddr, name: string): NativeAddr {
  if (typeof addr !== 'object' || addr === null) throw new TypeError(`${name}: expected an EndpointAddr`)
  const id = toId(addr.id, `${name}.id`)
  const relays = addr.relayUrl === undefined ? [] : [string(addr.relayUrl, `${name}.relayUrl`)]
  const parts = {
    addresses: strings(addr.addresses, `${name}.addresses`),
    relayUrls: [...relays, ...strings(addr.relayUrls, `${name}.relayUrls`)],
    customAddresses: strings(addr.customAddresses, `${name}.customAddresses`),
  }
  const whole = { id, ...parts }
  try {
    return native.normalizeAddr(whole)
  } catch {
    throw malformed(id, parts, name)
  }
}

/** Finds which part the native core did not take. */
function malformed(id: string, parts: Record<keyof typeof FORMS, string[]>, name: string): TypeError {
  const empty = { id, addresses: [], relayUrls: [], customAddresses: [] }
  for (const part of Object.keys(FORMS) as (keyof typeof FORMS)[]) {
    try {
      native.normalizeAddr({ ...empty, [part]: parts[part] })
    } catch {
      return new TypeError(`${name}.${part}: ${FORMS[part]}`)
    }
  }
  return new TypeError(`${name}: expected an EndpointAddr`)
}

function strings(value: readonly string[] | undefined, name: string): string[] {
  return value === undefined ? [] : list(value, name).map((one, n) => string(one, `${name}[${n}]`))
}

function fromNative({ id, addresses, relayUrls, customAddresses }: NativeAddr): EndpointAddr {
  return {
    id,
    ...(addresses.length > 0 && { addresses }),
    ...(relayUrls[0] !== undefined && { relayUrl: relayUrls[0], relayUrls }),
    ...(customAddresses.length > 0 && { customAddresses }),
  }
}
