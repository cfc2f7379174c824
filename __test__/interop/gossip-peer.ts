// Gossip of the reference, in the peer process. Its commands: `interop/src/gossip.rs`.
import type { EndpointAddr } from '../../ts/index.js'
import type { Peer } from './peer.js'

/** Whom the peer joins. */
export type Near = Pick<EndpointAddr, 'id' | 'addresses'>

export type PeerEvent =
  | { readonly type: 'neighborUp' | 'neighborDown'; readonly id: string }
  | { readonly type: 'received'; readonly hex: string; readonly from: string; readonly round?: number }
  | { readonly type: 'lagged' }

export interface StartOptions {
  /** 64 hex digits [a new one]. */
  readonly secretKey?: string
  /** [a free one] */
  readonly port?: number
  readonly maxMessageSize?: number
  readonly activeView?: number
}

/** An `iroh_gossip::Gossip` with its endpoint. */
export class PeerGossip {
  readonly #peer: Peer
  readonly #gossip: number
  readonly addr: { readonly id: string; readonly addresses: readonly string[] }

  private constructor(peer: Peer, gossip: number, addr: { id: string; addresses: string[] }) {
    this.#peer = peer
    this.#gossip = gossip
    this.addr = addr
  }

  static async start(peer: Peer, { secretKey, port = 0, ...rest }: StartOptions = {}): Promise<PeerGossip> {
    const bind = { secretKey: secretKey ?? null, alpns: [], port }
    const { endpoint, id, address } = await peer.call<{ endpoint: number; id: string; address: string }>('bind', bind)
    const { gossip } = await peer.call<{ gossip: number }>('gossipStart', { endpoint, ...rest })
    return new PeerGossip(peer, gossip, { id, addresses: [address] })
  }

  get id(): string {
    return this.addr.id
  }

  get port(): number {
    return Number(this.addr.addresses[0]?.split(':')[1])
  }

  /** @param topic 64 hex digits */
  async subscribe(topic: string, bootstrap: readonly Near[] = []): Promise<PeerTopic> {
    const handle = await this.#peer.call<{ topic: number }>('gossipSubscribe', { gossip: this.#gossip, topic, bootstrap })
    return new PeerTopic(this.#peer, handle.topic)
  }

  async learn(peers: readonly Near[]): Promise<void> {
    await this.#peer.call('gossipLearn', { gossip: this.#gossip, peers })
  }

  /** Leaves all topics and closes the endpoint. */
  async shutdown(): Promise<void> {
    await this.#peer.call('gossipShutdown', { gossip: this.#gossip })
  }
}

/** A subscription of the reference. */
export class PeerTopic {
  readonly #peer: Peer
  readonly #topic: number
  readonly #heard: PeerEvent[] = []
  #fetching: Promise<void> | null = null

  constructor(peer: Peer, topic: number) {
    this.#peer = peer
    this.#topic = topic
  }

  /** Waits for an event that fits; those before it are kept for later looks. */
  async event(fits: (event: PeerEvent) => boolean): Promise<PeerEvent> {
    for (;;) {
      const at = this.#heard.findIndex(fits)
      if (at >= 0) return this.#heard.splice(at, 1)[0] as PeerEvent
      // Shared: what one look fetches may be what another waits for.
      this.#fetching ??= this.#fetch()
      await this.#fetching
    }
  }

  async #fetch(): Promise<void> {
    try {
      this.#heard.push(...(await this.#call<PeerEvent[]>('Next', { max: 1_024 })))
    } finally {
      this.#fetching = null
    }
  }

  up(id: string): Promise<PeerEvent> {
    return this.event((event) => event.type === 'neighborUp' && event.id === id)
  }

  down(id: string): Promise<PeerEvent> {
    return this.event((event) => event.type === 'neighborDown' && event.id === id)
  }

  message(text: string): Promise<PeerEvent> {
    const hex = Buffer.from(text).toString('hex')
    return this.event((event) => event.type === 'received' && event.hex === hex)
  }

  /** Waits for so many different messages. */
  unique(count: number): Promise<number> {
    return this.#call('Unique', { count })
  }

  async broadcast(content: string | Uint8Array): Promise<void> {
    await this.#call('Broadcast', { hex: Buffer.from(content).toString('hex') })
  }

  async broadcastNeighbors(content: string | Uint8Array): Promise<void> {
    await this.#call('BroadcastNeighbors', { hex: Buffer.from(content).toString('hex') })
  }

  /** `<prefix>0`, `<prefix>1`, … */
  async broadcastMany(prefix: string, count: number): Promise<void> {
    await this.#call('BroadcastMany', { prefix, count })
  }

  async join(peers: readonly Near[]): Promise<void> {
    await this.#call('Join', { peers })
  }

  neighbors(): Promise<string[]> {
    return this.#call('Neighbors')
  }

  async quit(): Promise<void> {
    await this.#call('Quit')
  }

  #call<T>(command: string, args: object = {}): Promise<T> {
    return this.#peer.call<T>(`gossip${command}`, { topic: this.#topic, ...args })
  }
}
