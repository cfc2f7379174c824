// One session of two repos: a connection, its one stream, and what is known of the peer.
import type { PeerId, RepoMessage } from '@automerge/automerge-repo/slim'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BiStream } from '../endpoint/bi.js'
import type { Connection } from '../endpoint/connection.js'
import type { Side } from '../endpoint/facts.js'
import type { EndpointId } from '../endpoint/key.js'
import { GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import { inTime } from './exchange.js'
import { Guard } from './guard.js'
import { FrameInlet } from './inlet.js'
import { errorFrame, type Hello, joinFrame, peerFrame, readFrame, readJoin, readPeer } from './messages.js'
import { Outbox } from './outbox.js'
import type { SessionLimits } from './protocol.js'

export interface RepoSession {
  readonly remoteId: EndpointId
  /** While it is not known: the endpoint id. */
  readonly peerId: PeerId
  readonly state: 'dialing' | 'handshake' | 'open' | 'closing'
  readonly side: Side
  /** Bytes of frames, prefixes included. */
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly queuedBytes: number
}

/** What a session knows of its own end. */
export interface SessionContext extends Hello {
  /** Whether a peer's repo id must be its endpoint id. */
  readonly strict: boolean
  readonly maxReceiveBytes: number
  readonly limits: SessionLimits
  /** Whether our repo has spoken of a document. */
  readonly isOurs: (documentId: string) => boolean
}

/** Ends of a connection that are nobody's fault. */
const PEACEFUL = ['LOCALLY_CLOSED', 'CONNECTION_CLOSED', 'ENDPOINT_CLOSED', 'STREAM_CLOSED'] as const

/** From the first frame to the last. `dial` or `accept`, then `run`; `close` at any time. */
export class Session {
  readonly connection: Connection
  readonly peer: Hello
  /** On the clock of `performance.now()`. */
  readonly madeAt: number
  readonly #context: SessionContext
  readonly #stream: BiStream
  readonly #inlet: FrameInlet
  readonly #outbox: Outbox
  readonly #guard: Guard
  #state: 'handshake' | 'open' | 'closing' = 'handshake'
  #error: unknown = null
  #closed: Promise<void> | null = null

  /** @internal use `dial` or `accept` */
  constructor(connection: Connection, context: SessionContext, stream: BiStream, inlet: FrameInlet, peer: Hello, madeAt: number) {
    this.connection = connection
    this.peer = peer
    this.madeAt = madeAt
    this.#context = context
    this.#stream = stream
    this.#inlet = inlet
    this.#outbox = new Outbox(stream.send, context.limits.maxEphemeralBytes, (error) => void this.close(error))
    this.#guard = new Guard(context.peerId, peer.peerId, context.limits, context.isOurs)
  }

  /** Opens the stream, says join and waits for peer. On failure the connection is closed. Codes: as the module says, and PEER_ID_MISMATCH. */
  static dial(connection: Connection, context: SessionContext): Promise<Session> {
    return handshake(connection, context, 'peer', async (until) => {
      const madeAt = performance.now()
      const stream = await inTime(connection.openBi(), until())
      await stream.send.write(joinFrame(context))
      return { stream, madeAt, read: (raw) => readPeer(raw, context.peerId) }
    })
  }

  /** Waits for the stream and join; the answer is `welcome`. */
  static accept(connection: Connection, context: SessionContext): Promise<Session> {
    return handshake(connection, context, 'join', async (until) => {
      const madeAt = performance.now()
      const stream = await inTime(connection.acceptBi(), until())
      if (stream === null) throw new GaiwanError('CONNECTION_CLOSED', 'the peer closed before it opened a stream')
      return { stream, madeAt, read: readJoin }
    })
  }

  get remoteId(): EndpointId {
    return this.connection.remoteId
  }

  get peerId(): PeerId {
    return this.peer.peerId
  }

  get side(): Side {
    return this.connection.side
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes
  }

  /** What a user may see of it. */
  get facts(): RepoSession {
    const { remoteId, peerId, side, queuedBytes } = this
    return {
      remoteId,
      peerId,
      state: this.#state,
      side,
      bytesSent: this.#outbox.bytesSent,
      bytesReceived: this.#inlet.bytesRead,
      queuedBytes,
    }
  }

  /** The dialer may speak from now on; the acceptor says peer first, so that nothing overtakes it. */
  open(): void {
    if (this.side === 'server') this.#outbox.push(peerFrame(this.#context, this.peerId))
    this.#state = 'open'
  }

  /** Queues a frame, unless the session is over. */
  send(frame: Bytes, isEphemeral: boolean): void {
    if (this.isOpen) this.#outbox.push(frame, isEphemeral)
  }

  /** Delivers messages until there will be no more; then `close` is under way. Resolves with what went wrong, else null; never rejects. */
  async run(deliver: (message: RepoMessage) => void): Promise<unknown> {
    try {
      await this.#read(deliver)
      void this.close()
    } catch (error) {
      void this.close(error)
    }
    return this.#error
  }

  /**
   * Takes no more frames, writes what is queued (at most 1 s), finishes the stream and closes with code 0. Idempotent.
   *
   * @param error why; a fault of the peer is told to it
   */
  close(error: unknown = null): Promise<void> {
    this.#closed ??= this.#close(error)
    return this.#closed
  }

  /** Drops what is queued and closes: the peer does not take it. */
  abort(): Promise<void> {
    this.#outbox.clear()
    this.#state = 'closing'
    this.connection.close(0)
    return this.close()
  }

  async #close(error: unknown): Promise<void> {
    this.#state = 'closing'
    if (!GaiwanError.is(error, ...PEACEFUL)) this.#error = error
    if (isFault(error)) this.#outbox.push(errorFrame(this.#context.peerId, this.peerId, (error as Error).message))
    await goodbye(this.connection, this.#stream, this.#outbox.idle(), this.#context.limits.closeMs)
  }

  async #read(deliver: (message: RepoMessage) => void): Promise<void> {
    const { framesPerTurn, bytesPerTurn } = this.#context.limits
    let [frames, bytes] = [0, 0]
    for (;;) {
      const frame = await this.#inlet.next()
      if (frame === null) return
      // What comes behind our own end is of no interest any more.
      if (this.#state === 'closing') continue
      const raw = readFrame(frame)
      if (raw.type === 'leave') return
      if (raw.type === 'error') throw told(raw['message'])
      if (raw.type === 'join' || raw.type === 'peer') throw new GaiwanError('PROTOCOL_VIOLATION', `unexpected ${raw.type} message`)
      const message = this.#guard.check(raw)
      if (message === null) continue
      await this.#credit()
      // It may have been closed meanwhile.
      if (this.#state === 'open') deliver(message)
      frames++
      bytes += frame.length
      if (frames < framesPerTurn && bytes < bytesPerTurn) continue
      await nextTurn()
      frames = bytes = 0
    }
  }

  /** Waits while the peer has brought up too many documents; nothing is read meanwhile. */
  async #credit(): Promise<void> {
    const ms = this.#guard.takeWaitMs()
    if (ms === 0) return
    let timer: NodeJS.Timeout | undefined
    const enough = new Promise((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([enough, this.connection.closed])
    clearTimeout(timer)
  }
}

/** What differs between the roles. */
interface Opening {
  readonly stream: BiStream
  readonly madeAt: number
  readonly read: (raw: ReturnType<typeof readFrame>) => Hello
}

/** The first frame of the peer, all within one time limit. */
async function handshake(
  connection: Connection,
  context: SessionContext,
  expected: 'join' | 'peer',
  begin: (until: () => number) => Promise<Opening>,
): Promise<Session> {
  const { limits, maxReceiveBytes } = context
  const deadline = performance.now() + limits.handshakeMs
  const left = () => Math.max(1, deadline - performance.now())
  let stream: BiStream | undefined
  try {
    const opening = await begin(left)
    stream = opening.stream
    const inlet = new FrameInlet(stream.recv, 'u32be', maxReceiveBytes, limits.frameMs)
    const frame = await inlet.next(left())
    if (frame === null) throw new GaiwanError('PROTOCOL_VIOLATION', `the stream ended before ${expected}`)
    const raw = readFrame(frame)
    if (raw.type === 'error') throw told(raw['message'])
    if (raw.type !== expected) throw new GaiwanError('PROTOCOL_VIOLATION', `expected a ${expected} message`)
    const peer = opening.read(raw)
    if (peer.peerId === context.peerId) throw new GaiwanError('PEER_ID_MISMATCH', 'the peer claims our own id')
    if (context.strict && peer.peerId !== connection.remoteId) {
      throw new GaiwanError('PEER_ID_MISMATCH', 'the peer id is not the verified endpoint id')
    }
    return new Session(connection, context, stream, inlet, peer, opening.madeAt)
  } catch (error) {
    if (stream === undefined) connection.close(0)
    else {
      if (isFault(error)) void stream.send.write(errorFrame(context.peerId, undefined, (error as Error).message)).catch(() => {})
      // A Router closes as soon as this rejects.
      await goodbye(connection, stream, Promise.resolve(), limits.closeMs)
    }
    throw error
  }
}

/** Waits until what was written is at the peer, but not long. Never rejects. */
async function goodbye(connection: Connection, { send }: BiStream, written: Promise<void>, ms: number): Promise<void> {
  const finish = async () => {
    await written
    await send.finish()
    await send.stopped
  }
  await inTime(Promise.race([finish(), connection.closed]), ms).catch(() => {})
  connection.close(0)
}

/** Whether the peer should hear of it. */
function isFault(error: unknown): boolean {
  return GaiwanError.is(error, 'PROTOCOL_VIOLATION', 'PEER_ID_MISMATCH', 'FRAME_TOO_LARGE', 'TIMEOUT') && error.reason === undefined
}

/** What the peer says of us; its text is untrusted. */
function told(message: unknown): GaiwanError {
  const reason = typeof message === 'string' ? message.slice(0, 256) : ''
  return new GaiwanError('PROTOCOL_VIOLATION', 'the peer ended the session with an error', { reason })
}
