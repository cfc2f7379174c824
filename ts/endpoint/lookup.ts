// Lookups: where addresses for an id come from.
import { func, string } from '../wire/check.js'
import { type EndpointAddr, normalize } from './addr.js'
import { type EndpointId, toId } from './key.js'

/** Finds addresses for an id. Results are hints: the handshake proves the identity. */
export interface AddressLookup {
  resolve(id: EndpointId, options: { readonly signal: AbortSignal }): AsyncIterable<LookupResult>
  /** Called on every change of our own address. */
  publish?(info: EndpointInfo): void
  close?(): void
}
export interface LookupResult {
  readonly addr: EndpointAddr
  /** Which service says so. */
  readonly source: string
  readonly userData?: string
}
export interface EndpointInfo {
  readonly addr: EndpointAddr
  readonly userData?: string
}

/**
 * Addresses kept by hand.
 *
 * @example
 * ```ts
 * const book = new MemoryLookup()
 * book.add(peer.addr)
 * const endpoint = await Endpoint.bind({ lookup: [book] })
 * const connection = await endpoint.connect(peer.id, 'example/echo/1')
 * ```
 */
export class MemoryLookup implements AddressLookup {
  readonly #source: string
  readonly #known = new Map<EndpointId, EndpointAddr>()

  /** @param source name in results ['memory'] */
  constructor(source = 'memory') {
    this.#source = string(source, 'source')
  }

  /** Adds to what is known of the id. */
  add(addr: EndpointAddr): void {
    const more = normalize(addr, 'addr')
    const known = this.#known.get(more.id)
    this.#known.set(more.id, known === undefined ? more : normalize(merge(known, more), 'addr'))
  }

  /** Replaces what is known of the id. */
  set(addr: EndpointAddr): void {
    const only = normalize(addr, 'addr')
    this.#known.set(only.id, only)
  }

  get(id: EndpointId | Uint8Array): EndpointAddr | null {
    return this.#known.get(toId(id, 'id')) ?? null
  }

  remove(id: EndpointId | Uint8Array): void {
    this.#known.delete(toId(id, 'id'))
  }

  async *resolve(id: EndpointId, { signal }: { readonly signal: AbortSignal }): AsyncIterable<LookupResult> {
    signal.throwIfAborted()
    const addr = this.get(id)
    if (addr !== null) yield { addr, source: this.#source }
  }
}

/** All addresses of both. */
export function merge(a: EndpointAddr, b: EndpointAddr): EndpointAddr {
  return {
    id: a.id,
    addresses: [...(a.addresses ?? []), ...(b.addresses ?? [])],
    relayUrls: [...(a.relayUrls ?? []), ...(b.relayUrls ?? [])],
    customAddresses: [...(a.customAddresses ?? []), ...(b.customAddresses ?? [])],
  }
}

/** A lookup that shows only what `keep` lets through; null drops the result. */
export function filtered(lookup: AddressLookup, keep: (addr: EndpointAddr) => EndpointAddr | null): AddressLookup {
  checkLookup(lookup, 'lookup')
  func(keep, 'keep')
  return {
    async *resolve(id, options) {
      for await (const result of lookup.resolve(id, options)) {
        const addr = keep(result.addr)
        if (addr !== null) yield { ...result, addr }
      }
    },
    ...(lookup.publish && { publish: (info: EndpointInfo) => lookup.publish?.(info) }),
    ...(lookup.close && { close: () => lookup.close?.() }),
  }
}

/** Something with `resolve`; else a `TypeError`. */
export function checkLookup(lookup: AddressLookup, name: string): AddressLookup {
  if (typeof lookup !== 'object' || lookup === null || typeof lookup.resolve !== 'function') {
    throw new TypeError(`${name}: expected an AddressLookup, an object with resolve(id, { signal })`)
  }
  return lookup
}
