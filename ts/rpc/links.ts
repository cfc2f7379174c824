// The connections of one client: dialed when first used, replaced when they are of no use any more.
import { type Connection, connectionCore } from '../endpoint/connection.js'
import type { ConnectionCore } from '../endpoint/connection-core.js'
import { GaiwanError } from '../errors.js'
import { rpcError } from './errors.js'
import type { ClientSettings } from './options.js'

/** What ends early when the client is closed. */
export interface Running {
  /** Of the method. */
  readonly name: string
  cancel(reason: unknown): void
}

/** One connection, with the calls on it. */
export class Link {
  readonly connection: Connection
  readonly core: ConnectionCore
  readonly running = new Set<Running>()
  readonly links: Links
  /** No new calls; closed when the last has ended. */
  #retired = false
  #idle: NodeJS.Timeout | null = null
  /** Until then a call that was given up may still taint the connection. */
  #tainting = 0

  constructor(links: Links, connection: Connection) {
    this.links = links
    this.connection = connection
    this.core = connectionCore(connection, 'connection')
  }

  get retired(): boolean {
    return this.#retired
  }

  /** Whether new calls may use it. */
  get usable(): boolean {
    if (this.#retired) return false
    if (this.#tainting !== 0) this.#lookForTaint()
    return !this.#retired
  }

  add(call: Running): void {
    this.running.add(call)
    if (this.#idle !== null) {
      clearTimeout(this.#idle)
      this.#idle = null
    }
  }

  remove(call: Running): void {
    if (!this.running.delete(call) || this.running.size > 0) return
    const { idleCloseMs } = this.links.settings
    if (this.#retired) this.links.drained(this)
    else if (idleCloseMs !== undefined) this.#idle = setTimeout(() => this.retire(), idleCloseMs).unref()
    this.links.idle?.()
  }

  /** A call was given up whose request may not have left. */
  doubt(): void {
    this.#tainting = Date.now() + 2 * this.links.settings.abortGraceMs + 1_000
  }

  /** No new calls from now on: it is lost, tainted or suspect. A client of one given connection has no other. */
  retire(): void {
    if (this.#retired || this.links.fixed) return
    this.#retired = true
    this.links.drop(this)
    if (this.running.size === 0) this.links.drained(this)
  }

  #lookForTaint(): void {
    if (this.core.closeInfo !== null) return
    if (this.core.bridge.loose.framedTainted(this.core.handle)) this.retire()
    else if (Date.now() > this.#tainting) this.#tainting = 0
  }

  stopIdle(): void {
    if (this.#idle !== null) clearTimeout(this.#idle)
  }
}

interface Slot {
  link: Link | null
  dialing: Promise<Link> | null
}

/** @param dial null: one given connection */
export class Links {
  readonly settings: ClientSettings
  readonly fixed: boolean
  readonly #dial: (() => Promise<Connection>) | null
  readonly #slots: Slot[]
  readonly #all = new Set<Link>()
  #turn = 0
  #closing: Promise<void> | null = null
  /** Called when a link has no calls any more. */
  idle: (() => void) | null = null

  constructor(settings: ClientSettings, dial: () => Promise<Connection>, given: Connection | null) {
    this.settings = settings
    this.fixed = given !== null
    this.#dial = given === null ? dial : null
    this.#slots = Array.from({ length: given === null ? settings.connections : 1 }, () => ({ link: null, dialing: null }))
    if (given !== null) (this.#slots[0] as Slot).link = this.#adopt(given)
  }

  /** A link for a new call; never waits for streams. Rejects with what dialing fails with. */
  pick(): Link | Promise<Link> {
    if (this.#closing !== null) return Promise.reject(new GaiwanError('LOCALLY_CLOSED', 'the client is closed'))
    const slots = this.#slots
    const slot = slots.length === 1 ? (slots[0] as Slot) : (slots[this.#turn++ % slots.length] as Slot)
    const { link } = slot
    if (link?.usable) return link
    return this.#redial(slot)
  }

  /** The link is not picked any more. */
  drop(link: Link): void {
    for (const slot of this.#slots) if (slot.link === link) slot.link = null
  }

  /** A retired link has no calls any more. */
  drained(link: Link): void {
    this.#all.delete(link)
    link.stopIdle()
    link.connection.close(0)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const busy = () => [...this.#all].some(({ running }) => running.size > 0)
    if (busy()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.settings.drainMs)
        this.idle = () => {
          if (busy()) return
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.idle = null
    for (const link of [...this.#all]) {
      for (const call of [...link.running]) call.cancel(rpcError('LOCALLY_CLOSED', call.name, 'the client is closed'))
      this.drained(link)
    }
    // One that is being dialed is closed when it comes.
    for (const { dialing } of this.#slots) await dialing?.catch(() => {})
  }

  #redial(slot: Slot): Link | Promise<Link> {
    // A given connection is used whatever has become of it: its calls then say what.
    if (this.#dial === null) return slot.link as Link
    slot.dialing ??= this.#connect(slot, this.#dial)
    return slot.dialing
  }

  async #connect(slot: Slot, dial: () => Promise<Connection>): Promise<Link> {
    try {
      const connection = await dial()
      if (this.#closing !== null) {
        connection.close(0)
        throw new GaiwanError('LOCALLY_CLOSED', 'the client is closed')
      }
      const link = this.#adopt(connection)
      slot.link = link
      return link
    } finally {
      slot.dialing = null
    }
  }

  #adopt(connection: Connection): Link {
    const link = new Link(this, connection)
    this.#all.add(link)
    void connection.closed.then(() => link.retire())
    return link
  }
}
