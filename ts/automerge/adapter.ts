// automerge-repo over gaiwan connections: ALPN `iroh/automerge-repo/1`.
import { type Message, NetworkAdapter, type PeerId, type PeerMetadata } from '@automerge/automerge-repo/slim'
import { debuglog } from 'node:util'
import { type Dialable, type EndpointAddr, toAddr } from '../endpoint/addr.js'
import type { Connection } from '../endpoint/connection.js'
import { endpointCore } from '../endpoint/endpoint.js'
import { type EndpointId, toId } from '../endpoint/key.js'
import { GaiwanError } from '../errors.js'
import type { ProtocolHandler } from '../router/handler.js'
import { addRoute } from '../router/router.js'
import { utf8 } from '../wire/bytes.js'
import { tooLarge } from '../wire/frames.js'
import { inTime } from './exchange.js'
import { Link, type LinkHost } from './link.js'
import { isRepoType, messageFrame } from './messages.js'
import { type AdapterSettings, adapterSettings, type GaiwanNetworkAdapterOptions } from './options.js'
import { LIMITS, REFUSED, REPO_ALPN } from './protocol.js'
import { type RepoSession, Session, type SessionContext } from './session.js'
import { Table } from './table.js'

const log = debuglog('gaiwan-automerge')
/** The length in front of a frame. */
const PREFIX_BYTES = 4
/** How long a session that came waits for our own dial, part by part: a thread that was blocked for longer has lost one part, not the wait. */
const YIELD_MS = 1_000
const YIELD_PARTS = 4

/**
 * automerge-repo over gaiwan connections; with `peerIds: 'endpoint'` make the Repo with `peerId: endpoint.id as PeerId`.
 *
 * Share policies decide by peer id, and here that is a proven one. Failures of sessions are told as `handlerError` of the endpoint;
 * `NODE_DEBUG=gaiwan-automerge` tells of dials too.
 *
 * @example
 * ```ts
 * const adapter = new GaiwanNetworkAdapter({ endpoint, peers: [ticket] })
 * Router.builder(endpoint).accept(REPO_ALPN, adapter).spawn()
 * const repo = new Repo({ peerId: endpoint.id as PeerId, network: [adapter] })
 * ```
 */
export class GaiwanNetworkAdapter extends NetworkAdapter implements ProtocolHandler {
  readonly #settings: AdapterSettings
  readonly #table: Table
  readonly #peers: Map<EndpointId, EndpointAddr>
  readonly #links = new Map<EndpointId, Link>()
  /** Dials until their session is open, or has failed. */
  readonly #dials = new Map<EndpointId, Promise<void>>()
  readonly #host: LinkHost
  /** Connections before their first frame. */
  readonly #young = new Set<Connection>()
  /** Sessions that are closed and still write. */
  readonly #others = new Set<Session>()
  readonly #closing = new Set<Promise<void>>()
  /** Documents that our repo has spoken of: it has them. */
  readonly #documents = new Set<string>()
  /** `peer document` whose frames are too large to send. */
  readonly #oversized = new Set<string>()
  #isConnected = false
  #wasConnected = false
  #waiting: (() => void)[] = []
  #isReady = false
  #ready!: () => void
  readonly #whenReady = new Promise<void>((resolve) => {
    this.#ready = resolve
  })
  #timer: NodeJS.Timeout | null = null
  #unroute: (() => void) | null = null

  constructor(options: GaiwanNetworkAdapterOptions) {
    super()
    const settings = adapterSettings(options)
    this.#settings = settings
    this.#peers = new Map(settings.peers.map((addr) => [addr.id, addr]))
    this.#table = new Table(settings.endpoint.id, {
      candidate: ({ peer }) => guarded(() => this.emit('peer-candidate', peer)),
      disconnected: ({ peerId }) => guarded(() => this.emit('peer-disconnected', { peerId })),
    })
    this.#host = {
      retry: settings.retry,
      session: (addr, signal) => this.#dial(addr, signal),
      idle: (id, signal) => this.#table.idle(id, signal),
    }
    if (this.#peers.size === 0) this.#becomeReady()
    settings.endpoint.signal.addEventListener('abort', () => this.#endpointClosed(), { once: true })
  }

  isReady(): boolean {
    return this.#isReady
  }

  /** At the first handshake that is done, or after `readyTimeoutMs`; at once when there is nobody to dial. Always resolves. */
  whenReady(): Promise<void> {
    this.#startTimer()
    return this.#whenReady
  }

  /**
   * Called by the Repo; again after `disconnect`, then perhaps without metadata.
   * Codes: PEER_ID_MISMATCH, ENDPOINT_CLOSED. The Repo swallows what is thrown here, so the first is a warning of the process too.
   */
  connect(peerId: PeerId, peerMetadata?: PeerMetadata): void {
    const { endpoint, strict, router } = this.#settings
    endpointCore(endpoint, 'endpoint').check()
    if (strict && peerId !== endpoint.id) {
      const message = "the Repo's peerId is not the endpoint id: new Repo({ peerId: endpoint.id, … }), or peerIds: 'any'"
      process.emitWarning(message, 'GaiwanWarning')
      throw new GaiwanError('PEER_ID_MISMATCH', message)
    }
    this.peerId = peerId
    this.peerMetadata = peerMetadata ?? this.peerMetadata ?? {}
    if (this.#isConnected) return
    if (router !== null) this.#unroute = addRoute(router, [utf8(REPO_ALPN)], this)
    this.#isConnected = this.#wasConnected = true
    this.#startTimer()
    for (const wake of this.#waiting.splice(0)) wake()
    for (const addr of this.#peers.values()) this.#keep(addr)
  }

  /** Queues a message for the session of its target. Never throws for a peer that is gone. */
  send(message: Message): void {
    if (message.data?.byteLength === 0) throw new Error('Tried to send a zero-length message')
    if (message.documentId !== undefined && message.type !== 'doc-unavailable') this.#documents.add(message.documentId)
    const session = this.#table.get(message.targetId)
    if (session === undefined || !session.isOpen || !isRepoType(message.type)) {
      log('%s: not sent, a %s message', message.targetId, message.type)
      return
    }
    const document = `${message.targetId} ${message.documentId}`
    if (this.#oversized.has(document)) return
    const { maxSendBytes, maxQueueBytes } = this.#settings
    const frame = (message.data?.byteLength ?? 0) > maxSendBytes ? null : messageFrame(message)
    const length = frame === null ? (message.data?.byteLength ?? 0) : frame.length - PREFIX_BYTES
    if (frame === null || length > maxSendBytes) {
      // A frame that is lost leaves both ends waiting for each other, so the session goes with it; the next one does without the document.
      this.#oversized.add(document)
      this.#give(session, () => session.close(), tooLarge(length, maxSendBytes))
    } else if (session.queuedBytes + frame.length > maxQueueBytes) {
      const error = new GaiwanError('FRAME_TOO_LARGE', `more than ${maxQueueBytes} bytes wait for ${message.targetId}`)
      this.#give(session, () => session.abort(), error)
    } else session.send(frame, message.type === 'ephemeral')
  }

  /** Ends all sessions and dials no more, until `connect`. */
  disconnect(): void {
    const wasConnected = this.#isConnected
    this.#isConnected = false
    this.#unroute?.()
    this.#unroute = null
    for (const link of this.#links.values()) link.stop()
    this.#links.clear()
    for (const connection of this.#young) connection.close(0)
    for (const session of [...this.#table.all, ...this.#others]) {
      this.#table.drop(session)
      this.#close(session)
    }
    if (wasConnected && this.#settings.endpoint.isClosed) this.emit('close')
  }

  /** One more peer to keep connected; one that is known gets this address for later dials. */
  addPeer(peer: Dialable): void {
    const addr = toAddr(peer, 'peer')
    this.#peers.set(addr.id, addr)
    if (this.#isConnected) this.#keep(addr)
  }

  /** Dials a peer no more, and closes the session that was dialed. It may still come by itself: that is for `accept`. */
  removePeer(id: EndpointId | Uint8Array): void {
    const hex = toId(id, 'id')
    this.#peers.delete(hex)
    this.#links.get(hex)?.stop()
    this.#links.delete(hex)
    for (const session of this.#table.all) {
      if (session.remoteId !== hex || session.side !== 'client') continue
      this.#table.drop(session)
      this.#close(session)
    }
  }

  /** What there is now, dials under way included. */
  sessions(): readonly RepoSession[] {
    const sessions = [...new Set([...this.#table.all, ...this.#others])].map(({ facts }) => facts)
    for (const { remoteId, side } of this.#young) sessions.push(unborn(remoteId, 'handshake', side))
    const isKnown = (id: EndpointId) => sessions.some(({ remoteId, side }) => remoteId === id && side === 'client')
    for (const { isDialing, addr } of this.#links.values()) {
      if (isDialing && !isKnown(addr.id)) sessions.push(unborn(addr.id, 'dialing', 'client'))
    }
    return sessions
  }

  /** For the Router. Resolves when the session is over, and rejects if the peer is to blame or was lost. */
  async accept(connection: Connection): Promise<void> {
    if (!this.#welcomes(connection.remoteId) || !(await this.#connected(connection))) {
      connection.close(REFUSED, 'refused')
      return
    }
    const session = await this.#handshake(connection, Session.accept(connection, this.#context))
    await this.#yield(session)
    await this.#live(session)
  }

  /** For the Router: `disconnect`, and waits until what was queued is written. */
  async shutdown(): Promise<void> {
    this.disconnect()
    await Promise.all(this.#closing)
  }

  get #context(): SessionContext {
    return {
      peerId: this.peerId as PeerId,
      peerMetadata: this.peerMetadata ?? {},
      strict: this.#settings.strict,
      maxReceiveBytes: this.#settings.maxReceiveBytes,
      limits: LIMITS,
      isOurs: (documentId) => this.#documents.has(documentId),
    }
  }

  #welcomes(remoteId: EndpointId): boolean {
    try {
      const { accept } = this.#settings
      return accept === null || accept(remoteId) === true
    } catch (error) {
      endpointCore(this.#settings.endpoint, 'endpoint').handlerError(error, undefined)
      return false
    }
  }

  /** Whether the Repo has called `connect`; at first that takes it a moment. */
  async #connected(connection: Connection): Promise<boolean> {
    if (!this.#isConnected && !this.#wasConnected) {
      let wake = () => {}
      const called = new Promise<void>((resolve) => {
        wake = resolve
        this.#waiting.push(resolve)
      })
      const timer = setTimeout(wake, LIMITS.handshakeMs)
      await Promise.race([called, connection.closed])
      clearTimeout(timer)
      this.#waiting = this.#waiting.filter((one) => one !== wake)
    }
    return this.#isConnected
  }

  #keep(addr: EndpointAddr): void {
    this.#links.get(addr.id)?.stop()
    const link = new Link(this.#host, addr)
    this.#links.set(addr.id, link)
    void link.run()
  }

  async #dial(addr: EndpointAddr, signal: AbortSignal): Promise<void> {
    let settle = () => {}
    const settled = new Promise<void>((resolve) => {
      settle = resolve
    })
    this.#dials.set(addr.id, settled)
    const done = () => {
      settle()
      if (this.#dials.get(addr.id) === settled) this.#dials.delete(addr.id)
    }
    try {
      const connection = await this.#settings.endpoint.connect(addr, REPO_ALPN, { signal })
      await this.#report(connection, async () => {
        const session = await this.#handshake(connection, Session.dial(connection, this.#context))
        await this.#live(session, signal, done)
      })
    } finally {
      done()
    }
  }

  async #handshake(connection: Connection, session: Promise<Session>): Promise<Session> {
    this.#young.add(connection)
    return session.finally(() => this.#young.delete(connection))
  }

  /** Runs what happens on a connection that we dialed; what goes wrong is told as it is for one that a Router took. */
  async #report(connection: Connection, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      endpointCore(this.#settings.endpoint, 'endpoint').handlerError(error, connection)
      throw error
    }
  }

  /** If our own dial is the one of two crossed ones that will stay, it comes first: else the repo would lose its peer for a moment. */
  async #yield({ remoteId, connection }: Session): Promise<void> {
    const dial = this.#dials.get(remoteId)
    if (dial === undefined || this.#settings.endpoint.id > remoteId) return
    for (let part = 0; part < YIELD_PARTS && this.#dials.get(remoteId) === dial && connection.closeInfo === null; part++) {
      await inTime(Promise.race([dial, connection.closed]), YIELD_MS / YIELD_PARTS).catch(() => {})
    }
  }

  /** From the handshake to the end of a session. */
  async #live(session: Session, signal?: AbortSignal, opened = () => {}): Promise<void> {
    if (!this.#isConnected || signal?.aborted || !this.#table.admit(session, (old) => this.#close(old))) return this.#close(session)
    session.open()
    this.#becomeReady()
    this.#table.announce(session)
    opened()
    const error = await session.run((message) => guarded(() => this.emit('message', message)))
    this.#table.drop(session)
    await this.#close(session)
    if (error !== null) throw error
  }

  /** Ends a session because of what it was to send. The Repo may be in the middle of something, so it is told a moment later. */
  #give(session: Session, end: () => Promise<void>, error: GaiwanError): void {
    this.#track(session, end())
    endpointCore(this.#settings.endpoint, 'endpoint').handlerError(error, session.connection)
    queueMicrotask(() => this.#table.drop(session))
  }

  #close(session: Session): Promise<void> {
    return this.#track(session, session.close())
  }

  #track(session: Session, closed: Promise<void>): Promise<void> {
    this.#others.add(session)
    this.#closing.add(closed)
    return closed.finally(() => {
      this.#others.delete(session)
      this.#closing.delete(closed)
    })
  }

  #becomeReady(): void {
    this.#isReady = true
    this.#ready()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #startTimer(): void {
    if (this.#isReady || this.#timer !== null) return
    this.#timer = setTimeout(() => this.#becomeReady(), this.#settings.readyTimeoutMs)
  }

  #endpointClosed(): void {
    if (this.#isConnected) this.disconnect()
    // One that waits for the Repo need not wait for peers any more.
    this.#becomeReady()
  }
}

/** A listener that throws is heard as an uncaught exception; the session is not to blame. */
function guarded(emit: () => void): void {
  try {
    emit()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** What can be told before a session is there. */
function unborn(remoteId: EndpointId, state: 'dialing' | 'handshake', side: RepoSession['side']): RepoSession {
  return { remoteId, peerId: remoteId as PeerId, state, side, bytesSent: 0, bytesReceived: 0, queuedBytes: 0 }
}
