// Tells lookups of our own address.
import { type EndpointAddr, normalize } from './addr.js'
import { narrow } from './local.js'
import type { AddressLookup, EndpointInfo } from './lookup.js'
import type { Settings } from './options.js'

/** The lookups of an endpoint, and what they were told last. */
export class Publisher {
  readonly #filter: Settings['filter']
  readonly #lookups: AddressLookup[]
  #userData: string | null
  #last: EndpointInfo | null = null

  constructor({ filter, userData, lookups }: Settings) {
    this.#filter = filter
    this.#userData = userData
    this.#lookups = [...lookups]
  }

  get lookups(): readonly AddressLookup[] {
    return this.#lookups
  }

  /** A new lookup hears at once what the others know. */
  add(lookup: AddressLookup): void {
    this.#lookups.push(lookup)
    if (this.#last !== null) tell(lookup, this.#last)
  }

  clear(): void {
    for (const lookup of this.#lookups.splice(0)) end(lookup)
  }

  close(): void {
    this.#last = null
    this.clear()
  }

  publish(addr: EndpointAddr): void {
    const filter = this.#filter
    const shown = typeof filter === 'function' ? filtered(filter, addr) : narrow(addr, filter)
    const info = { addr: normalize(shown, 'addr'), ...(this.#userData !== null && { userData: this.#userData }) }
    this.#last = info
    for (const lookup of this.#lookups) tell(lookup, info)
  }

  setUserData(text: string | null, addr: EndpointAddr): void {
    this.#userData = text
    this.publish(addr)
  }
}

/** A filter cannot speak for another id, and one that throws shows nothing but the id. */
function filtered(filter: (addr: EndpointAddr) => EndpointAddr, addr: EndpointAddr): EndpointAddr {
  const { id } = addr
  try {
    return { ...normalize(filter(addr), 'publish.filter'), id }
  } catch (error) {
    warn(error)
    return { id }
  }
}

/** Foreign code: its failure is no failure of the endpoint. */
function tell(lookup: AddressLookup, info: EndpointInfo): void {
  try {
    lookup.publish?.(info)
  } catch (error) {
    warn(error)
  }
}

function end(lookup: AddressLookup): void {
  try {
    lookup.close?.()
  } catch (error) {
    warn(error)
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error), 'GaiwanWarning')
}
