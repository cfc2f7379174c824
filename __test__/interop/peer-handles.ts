// Endpoints, connections and streams that live in the peer process.
import { type Peer, type PeerFault, type PeerTransport, toFault, type WireFault } from './peer.js'

/** Count and hash of a stream's bytes. */
export interface Tally {
  readonly bytes: number
  readonly sha256: string
}
/** What the peer does with attempts and with the connections that come of them. */
export interface PeerPolicy {
  /** 'retry' accepts those that come again ['accept']. */
  readonly verdict?: 'accept' | 'refuse' | 'retry' | 'ignore'
  /** 'hold' leaves all to commands, so unless they read, nobody does ['hold']. */
  readonly serve?: 'hold' | 'echo' | 'sink' | { readonly code: number | bigint; readonly reason: string }
  /** Have the connection before its handshake is done, with its first bi stream [false]. */
  readonly early?: boolean
}
/** An attempt and what became of it. */
export interface PeerAttempt {
  readonly validated: boolean
  readonly verdict: 'accept' | 'refuse' | 'retry' | 'ignore'
  readonly connection: PeerConnection | null
  /** With the policy `early`: the bi stream that came before the handshake was done. */
  readonly first: { send: PeerSend; recv: PeerRecv } | null
  readonly error: PeerFault | null
}
export interface PeerDialOptions extends PeerTransport {
  /** [60,000] */
  readonly timeoutMs?: number
  /** Try 0-RTT [false]. */
  readonly early?: boolean
}
/** Whom the peer dials: anything with an id and `'ip:port'`s. */
export interface PeerTarget {
  readonly id: string
  readonly addresses?: readonly string[]
}

/** An `iroh::Endpoint`. */
export class PeerEndpoint {
  readonly #peer: Peer
  readonly #endpoint: number
  readonly id: string
  readonly address: string

  constructor(peer: Peer, facts: { endpoint: number; id: string; address: string }) {
    this.#peer = peer
    this.#endpoint = facts.endpoint
    this.id = facts.id
    this.address = facts.address
  }

  /** What commands call it. */
  get handle(): number {
    return this.#endpoint
  }

  /** What others need to dial it. */
  get addr(): { id: string; addresses: string[] } {
    return { id: this.id, addresses: [this.address] }
  }

  /** Sets the policy; the first call starts the accept loop. */
  async accept(policy: PeerPolicy = {}): Promise<void> {
    const { verdict = 'accept', serve = 'hold', early = false } = policy
    const mode = typeof serve === 'string' ? { mode: serve } : { mode: 'close', code: `${serve.code}`, reason: serve.reason }
    await this.#peer.call('accept', { endpoint: this.#endpoint, verdict, serve: mode, early })
  }

  /** The next attempt, once it is decided and its handshake is over. */
  async attempt(): Promise<PeerAttempt> {
    const facts = await this.#peer.call<AttemptFacts>('attempt', { endpoint: this.#endpoint })
    return {
      validated: facts.validated,
      verdict: facts.verdict,
      connection: facts.connection === undefined ? null : new PeerConnection(this.#peer, facts as ConnectionFacts),
      first: facts.first === undefined ? null : toBi(this.#peer, facts.first),
      error: facts.error === undefined ? null : toFault(facts.error),
    }
  }

  /** The connection of the next attempt, which must come off. */
  async nextConnection(): Promise<PeerConnection> {
    const { connection, verdict, error } = await this.attempt()
    if (connection === null) throw new Error(`the peer's attempt ended with ${verdict} and ${error?.kind ?? 'no error'}`)
    return connection
  }

  /** Dials; the first ALPN is the primary one. Resolves after the handshake, or at once if 0-RTT is tried. */
  async connect(to: PeerTarget, alpns: string | readonly string[], options: PeerDialOptions = {}): Promise<PeerConnection> {
    const { timeoutMs = 60_000, early = false, ...transport } = options
    const dial = { remoteId: to.id, addresses: to.addresses ?? [], alpns: typeof alpns === 'string' ? [alpns] : alpns, timeoutMs, early }
    const facts = await this.#peer.call<ConnectionFacts>('connect', { endpoint: this.#endpoint, ...dial, ...transport })
    return new PeerConnection(this.#peer, facts)
  }

  async setAlpns(alpns: readonly string[]): Promise<void> {
    await this.#peer.call('setAlpns', { endpoint: this.#endpoint, alpns })
  }

  async close(): Promise<void> {
    await this.#peer.call('closeEndpoint', { endpoint: this.#endpoint })
  }
}

interface ConnectionFacts {
  readonly connection: number
  readonly attempted?: boolean
  readonly remoteId?: string
  readonly alpn?: string
  readonly side: 'client' | 'server'
}
interface AttemptFacts extends Partial<ConnectionFacts> {
  readonly validated: boolean
  readonly verdict: PeerAttempt['verdict']
  readonly first?: BiFacts
  readonly error?: WireFault
}
interface BiFacts {
  readonly send: number
  readonly recv: number
  readonly early?: boolean
}

function toBi(peer: Peer, { send, recv, early = false }: BiFacts): { send: PeerSend; recv: PeerRecv } {
  return { send: new PeerSend(peer, send), recv: new PeerRecv(peer, recv, early) }
}

/** An `iroh::endpoint::Connection`, early or full. */
export class PeerConnection {
  readonly #peer: Peer
  readonly #connection: number
  readonly side: 'client' | 'server'
  /** Whether the dial sent early data, that is, had a ticket. */
  readonly attempted: boolean
  /** Unknown while the handshake runs. */
  readonly remoteId: string | null
  readonly alpn: string | null

  constructor(peer: Peer, facts: ConnectionFacts) {
    this.#peer = peer
    this.#connection = facts.connection
    this.side = facts.side
    this.attempted = facts.attempted ?? false
    this.remoteId = facts.remoteId ?? null
    this.alpn = facts.alpn ?? null
  }

  /** What commands call it. */
  get handle(): number {
    return this.#connection
  }

  /** Waits for the handshake of an early connection; `accepted` is null at the acceptor. */
  handshake(): Promise<{ accepted: boolean | null; remoteId: string; alpn: string }> {
    return this.#call('handshake')
  }

  async openBi(): Promise<{ send: PeerSend; recv: PeerRecv }> {
    return toBi(this.#peer, await this.#call<BiFacts>('open', { bi: true }))
  }

  async openUni(): Promise<PeerSend> {
    const { send } = await this.#call<{ send: number }>('open', { bi: false })
    return new PeerSend(this.#peer, send)
  }

  async acceptBi(): Promise<{ send: PeerSend; recv: PeerRecv }> {
    return toBi(this.#peer, await this.#call<BiFacts>('acceptStream', { bi: true }))
  }

  async acceptUni(): Promise<PeerRecv> {
    const { recv, early } = await this.#call<{ recv: number; early: boolean }>('acceptStream', { bi: false })
    return new PeerRecv(this.#peer, recv, early)
  }

  async sendDatagram(bytes: Uint8Array): Promise<void> {
    await this.#call('sendDatagram', { hex: Buffer.from(bytes).toString('hex') })
  }

  async readDatagram(): Promise<Uint8Array> {
    return Buffer.from(await this.#call<string>('readDatagram'), 'hex')
  }

  maxDatagramBytes(): Promise<number | null> {
    return this.#call('maxDatagram')
  }

  /** RFC 5705 exporter, as hex. */
  exportKeyingMaterial(label: string, context: string, length: number): Promise<string> {
    return this.#call('export', { label, context, length })
  }

  async close(code: number | bigint = 0, reason = ''): Promise<void> {
    await this.#call('close', { code: `${code}`, reason })
  }

  /** Waits for the end. */
  async closed(): Promise<PeerFault> {
    return toFault(await this.#call<WireFault>('closed'))
  }

  #call<T>(command: string, args: object = {}): Promise<T> {
    return this.#peer.call<T>(command, { connection: this.#connection, ...args })
  }
}

/** An `iroh::endpoint::SendStream`. */
export class PeerSend {
  readonly #peer: Peer
  readonly #send: number

  constructor(peer: Peer, send: number) {
    this.#peer = peer
    this.#send = send
  }

  async write(data: string | Uint8Array): Promise<void> {
    await this.#peer.call('write', { send: this.#send, hex: Buffer.from(data as string).toString('hex') })
  }

  /** Writes `bytes` of the pattern `seed`; what it wrote. */
  writePattern(bytes: number, seed: number): Promise<Tally> {
    return this.#peer.call('writePattern', { send: this.#send, bytes, seed })
  }

  /** Writes the pattern and ends the stream; what it wrote. */
  async sendPattern(bytes: number, seed: number): Promise<Tally> {
    const sent = await this.writePattern(bytes, seed)
    await this.finish()
    return sent
  }

  async finish(): Promise<void> {
    await this.#peer.call('finish', { send: this.#send })
  }

  async reset(code: number | bigint): Promise<void> {
    await this.#peer.call('reset', { send: this.#send, code: `${code}` })
  }

  /** Null once all is acknowledged, the code if the other side stopped reading. */
  async stopped(): Promise<bigint | null> {
    const code = await this.#peer.call<string | null>('stopped', { send: this.#send })
    return code === null ? null : BigInt(code)
  }

  /** Lets go of it, which iroh takes for `finish`. */
  async drop(): Promise<void> {
    await this.#peer.call('drop', { send: this.#send })
  }
}

/** An `iroh::endpoint::RecvStream`. */
export class PeerRecv {
  readonly #peer: Peer
  readonly #recv: number
  /** Accepted before the handshake was done: what the stack knows is the moment, not the packet. */
  readonly early: boolean

  constructor(peer: Peer, recv: number, early: boolean) {
    this.#peer = peer
    this.#recv = recv
    this.early = early
  }

  /** Some bytes as text, null at the end. */
  async read(maxBytes = 65_536): Promise<string | null> {
    const hex = await this.#peer.call<string | null>('read', { recv: this.#recv, maxBytes })
    return hex === null ? null : Buffer.from(hex, 'hex').toString()
  }

  /** All that is left as text. */
  async readText(): Promise<string> {
    let text = ''
    for (let chunk = await this.read(); chunk !== null; chunk = await this.read()) text += chunk
    return text
  }

  /** All that is left. */
  async readBytes(): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for (;;) {
      const hex = await this.#peer.call<string | null>('read', { recv: this.#recv, maxBytes: 65_536 })
      if (hex === null) return Buffer.concat(parts)
      parts.push(Buffer.from(hex, 'hex'))
    }
  }

  /** Count and hash of all that is left. */
  readToEnd(): Promise<Tally> {
    return this.#peer.call('readToEnd', { recv: this.#recv })
  }

  async stop(code: number | bigint): Promise<void> {
    await this.#peer.call('stop', { recv: this.#recv, code: `${code}` })
  }

  /** The code of a reset, null if the stream ended well. */
  async resetReceived(): Promise<bigint | null> {
    const code = await this.#peer.call<string | null>('resetReceived', { recv: this.#recv })
    return code === null ? null : BigInt(code)
  }
}
