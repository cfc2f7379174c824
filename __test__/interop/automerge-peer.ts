// Automerge in the peer process: documents, their one-shot sync, and samod repos. Its commands: `interop/src/automerge.rs`.
import type { Peer } from './peer.js'
import type { PeerConnection, PeerEndpoint, PeerTarget, Tally } from './peer-handles.js'

/** What a key can be set to; `text` is what JavaScript calls a string, a plain string is immutable there. */
export type Entry = string | number | boolean | null | { readonly text: string } | { readonly random: number }
/** What is read: text of either kind is a string, bytes are a tally. */
export type Read = string | number | boolean | null | Tally | readonly Read[] | { readonly [key: string]: Read }

/** An `automerge::Automerge` that stands alone, or a `samod::DocHandle`. */
export class PeerDocument {
  readonly #peer: Peer
  readonly #document: number
  /** Base58check; empty for one that stands alone. */
  readonly id: string

  constructor(peer: Peer, document: number, id = '') {
    this.#peer = peer
    this.#document = document
    this.id = id
  }

  /** An empty one that belongs to no repo. */
  static async create(peer: Peer): Promise<PeerDocument> {
    const { document } = await peer.call<{ document: number }>('automergeDocument')
    return new PeerDocument(peer, document)
  }

  /** What commands call it. */
  get handle(): number {
    return this.#document
  }

  /** One change. */
  async put(entries: Readonly<Record<string, Entry>>): Promise<void> {
    await this.#call('Put', { entries })
  }

  /** Sets `<prefix><n>` to `<prefix>value <n>` for each n below `count`, in one change or in one each. */
  async fill(prefix: string, count: number, apart = false): Promise<void> {
    await this.#call('Fill', { prefix, count, apart })
  }

  async delete(key: string): Promise<void> {
    await this.#call('Delete', { key })
  }

  /** Edits a text. */
  async splice(key: string, at: number, deleted: number, insert: string): Promise<void> {
    await this.#call('Splice', { key, at, delete: deleted, insert })
  }

  read(): Promise<Record<string, Read>> {
    return this.#call('Read')
  }

  /** Hashes in hex, sorted. */
  heads(): Promise<string[]> {
    return this.#call('Heads')
  }

  /** Waits until a key has a value, or that value. */
  until(key: string, value?: Read): Promise<Read> {
    return this.#call('Until', { key, ...(value === undefined ? {} : { value }) })
  }

  /** Waits for so many keys. */
  async untilKeys(count: number): Promise<void> {
    await this.#call('UntilKeys', { count })
  }

  /** Sends an ephemeral message; automerge-repo reads CBOR. */
  async broadcast(message: Uint8Array): Promise<void> {
    await this.#call('RepoBroadcast', { hex: Buffer.from(message).toString('hex') })
  }

  /** Waits for an ephemeral message. */
  async heard(): Promise<Uint8Array> {
    return Buffer.from(await this.#call<string>('RepoHeard'), 'hex')
  }

  #call<T>(command: string, args: object = {}): Promise<T> {
    return this.#peer.call<T>(`automerge${command}`, { document: this.#document, ...args })
  }
}

/** A document that answers one-shot syncs on an endpoint. */
export class PeerSync {
  readonly #peer: Peer
  readonly #sync: number
  readonly addr: { readonly id: string; readonly addresses: string[] }

  private constructor(peer: Peer, sync: number, addr: { id: string; addresses: string[] }) {
    this.#peer = peer
    this.#sync = sync
    this.addr = addr
  }

  static async serve(peer: Peer, document: PeerDocument): Promise<PeerSync> {
    const endpoint = await peer.bind()
    const { sync } = await peer.call<{ sync: number }>('automergeServe', { endpoint: endpoint.handle, document: document.handle })
    return new PeerSync(peer, sync, endpoint.addr)
  }

  /** Waits for the end of a session; rejects with how it failed. */
  served(): Promise<{ remoteId: string; rounds: number }> {
    return this.#peer.call('automergeServed', { sync: this.#sync })
  }
}

/** Syncs as the dialer; the connection is closed when it resolves. */
export function dialSync(peer: Peer, connection: PeerConnection, document: PeerDocument): Promise<{ rounds: number }> {
  return peer.call('automergeSync', { connection: connection.handle, document: document.handle })
}

/** The versions of samod; the reference is on the first. */
export type Samod = '0.5' | '0.16'
export const SAMODS: readonly Samod[] = ['0.5', '0.16']

export interface RepoOptions {
  /** ['0.5'] */
  readonly samod?: Samod
  /** 64 hex digits [a new one]. */
  readonly secretKey?: string
  /** [a free one] */
  readonly port?: number
  /** What it keeps outlives the process [memory]. */
  readonly directory?: string
  /** [its endpoint id] */
  readonly peerId?: string
  /** Both ways [8 MiB]. */
  readonly maxFrameBytes?: number
  readonly idleTimeoutMs?: number
  readonly keepAliveMs?: number
}

/** How a session, or a dial, ended. */
export interface End {
  readonly direction: 'dialed' | 'accepted'
  readonly remoteId: string
  readonly reason: string
}

/** A `samod::Repo` on an endpoint of its own, as the reference's `IrohRepo`. */
export class PeerRepo {
  readonly #peer: Peer
  readonly #repo: number
  readonly addr: { readonly id: string; readonly addresses: string[] }

  private constructor(peer: Peer, repo: number, addr: { id: string; addresses: string[] }) {
    this.#peer = peer
    this.#repo = repo
    this.addr = addr
  }

  static async start(peer: Peer, options: RepoOptions = {}): Promise<PeerRepo> {
    const { samod = '0.5', secretKey = null, port = 0, directory, peerId, maxFrameBytes, ...transport } = options
    const bind = { secretKey, alpns: [], port, ...transport }
    const { endpoint, id, address } = await peer.call<{ endpoint: number; id: string; address: string }>('bind', bind)
    const { repo } = await peer.call<{ repo: number }>('automergeRepoStart', { endpoint, samod, directory, peerId, maxFrameBytes })
    return new PeerRepo(peer, repo, { id, addresses: [address] })
  }

  get id(): string {
    return this.addr.id
  }

  get port(): number {
    return Number(this.addr.addresses[0]?.split(':')[1])
  }

  /** Dials in the background; with `redial` again and again, which samod 0.16 alone has. */
  async dial(to: PeerTarget, redial = false): Promise<void> {
    await this.#call('Dial', { to: { id: to.id, addresses: to.addresses ?? [] }, redial })
  }

  /** Waits for a finished handshake with a peer id. */
  async connected(peerId: string): Promise<void> {
    await this.#call('Connected', { peerId })
  }

  /** Waits for the end of a session that nobody asked about yet. */
  ended(): Promise<End> {
    return this.#call('Ended')
  }

  async create(entries: Readonly<Record<string, Entry>>): Promise<PeerDocument> {
    const made = await this.#call<{ document: number; documentId: string }>('Create', { entries })
    return new PeerDocument(this.#peer, made.document, made.documentId)
  }

  /** Null if nobody has it. */
  async find(documentId: string): Promise<PeerDocument | null> {
    const found = await this.#call<{ document: number; documentId: string } | null>('Find', { documentId })
    return found === null ? null : new PeerDocument(this.#peer, found.document, found.documentId)
  }

  /** Writes what it keeps and closes the endpoint. */
  async stop(): Promise<void> {
    await this.#call('Stop')
  }

  #call<T>(command: string, args: object = {}): Promise<T> {
    return this.#peer.call<T>(`automergeRepo${command}`, { repo: this.#repo, ...args })
  }
}

/** Has the peer dial an endpoint for a one-shot sync. */
export async function dialAndSync(peer: Peer, from: PeerEndpoint, to: PeerTarget, alpn: string, document: PeerDocument): Promise<number> {
  const { rounds } = await dialSync(peer, await from.connect(to, alpn), document)
  return rounds
}
