// One session per peer id: who stays when there are two, and in which order the repo hears of it.
import type { PeerId } from '@automerge/automerge-repo/slim'
import type { EndpointId } from '../endpoint/key.js'
import { CROSSED_MS } from './protocol.js'
import type { Session } from './session.js'

/** Who hears of sessions: `disconnected` exactly once for each `candidate`, and before the next one of the same id. */
export interface TableEvents {
  candidate(session: Session): void
  disconnected(session: Session): void
}

/** The sessions that the repo knows of. */
export class Table {
  readonly #self: EndpointId
  readonly #events: TableEvents
  readonly #sessions = new Map<PeerId, Session>()
  readonly #announced = new Set<Session>()
  #waiting: (() => void)[] = []

  constructor(self: EndpointId, events: TableEvents) {
    this.#self = self
    this.#events = events
  }

  get all(): Session[] {
    return [...this.#sessions.values()]
  }

  get(peerId: PeerId): Session | undefined {
    return this.#sessions.get(peerId)
  }

  /**
   * Whether a session may stay. Of crossed dials both ends keep the one that the smaller endpoint id has dialed, in byte order; else the
   * newer one stays, since the older may be dead without knowing it, and `close` ends the older.
   */
  admit(session: Session, close: (old: Session) => void): boolean {
    const old = this.#sessions.get(session.peerId)
    if (old !== undefined) {
      if (isCrossed(old, session) && session.side !== this.#preferred(session)) return false
      // The sync state that the repo keeps for the old one must go, or both may wait for each other.
      this.drop(old)
      close(old)
    }
    this.#sessions.set(session.peerId, session)
    return true
  }

  /** Tells of an admitted session. */
  announce(session: Session): void {
    this.#announced.add(session)
    this.#events.candidate(session)
  }

  /** Takes a session out; a second call does nothing. */
  drop(session: Session): void {
    if (this.#sessions.get(session.peerId) !== session) return
    this.#sessions.delete(session.peerId)
    for (const wake of this.#waiting.splice(0)) wake()
    if (this.#announced.delete(session)) this.#events.disconnected(session)
  }

  /** Resolves when there is no session with an endpoint. Rejects with an abort. */
  async idle(id: EndpointId, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      if (!this.all.some(({ remoteId }) => remoteId === id)) return
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  /** Our side of the connection that both ends keep. */
  #preferred({ remoteId }: Session): 'client' | 'server' {
    return this.#self < remoteId ? 'client' : 'server'
  }
}

function isCrossed(old: Session, young: Session): boolean {
  return old.remoteId === young.remoteId && old.side !== young.side && young.madeAt - old.madeAt < CROSSED_MS
}
