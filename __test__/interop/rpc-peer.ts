// Services and clients of irpc, in the peer process. Their commands: `interop/src/rpc.rs`.
import type { Peer } from './peer.js'
import type { PeerConnection, PeerEndpoint, PeerTarget } from './peer-handles.js'

/** `interop/src/rpc_tea.rs` has the tea service, plain and in span mode, `rpc_hard.rs` the one with hard types. */
export type ServiceName = 'tea' | 'span' | 'hard'

/** Anything that JSON has. Big integers are decimal text, bytes are hex: `interop/src/rpc_json.rs`. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** An `IrohProtocol` for each service, on one endpoint. */
export class PeerServer {
  readonly #peer: Peer
  readonly #rpc: number
  readonly addr: { readonly id: string; readonly addresses: readonly string[] }

  private constructor(peer: Peer, rpc: number, addr: { id: string; addresses: string[] }) {
    this.#peer = peer
    this.#rpc = rpc
    this.addr = addr
  }

  static async start(peer: Peer): Promise<PeerServer> {
    const endpoint = await peer.bind()
    const { rpc } = await peer.call<{ rpc: number }>('rpcServe', { endpoint: endpoint.handle })
    return new PeerServer(peer, rpc, endpoint.addr)
  }

  /** Waits for the next line that a handler notes and that starts so; those before it are dropped. */
  async hears(start: string): Promise<string> {
    for (;;) {
      const line = await this.#peer.call<string>('rpcHeard', { rpc: this.#rpc })
      if (line.startsWith(start)) return line
    }
  }

  /** Waits for the next value that a handler of the hard service takes. */
  async takes(method: string): Promise<Json> {
    return JSON.parse((await this.hears(`${method} `)).slice(method.length + 1)) as Json
  }

  /** Ends the services and closes their endpoint. */
  async shutdown(): Promise<void> {
    await this.#peer.call('rpcShutdown', { rpc: this.#rpc })
  }
}

/** How many calls of a storm ended how; `first` is the first failure. */
export interface StormTally {
  readonly answered: number
  readonly cancelled: number
  readonly failed: number
  readonly first: string | null
}

/** An `irpc::Client`. */
export class PeerClient {
  readonly #peer: Peer
  readonly #client: number

  private constructor(peer: Peer, client: number) {
    this.#peer = peer
    this.#client = client
  }

  /** One that dials at its first call, and again when its connection is lost. */
  static async dial(peer: Peer, endpoint: PeerEndpoint, to: PeerTarget, service: ServiceName): Promise<PeerClient> {
    const near = { id: to.id, addresses: to.addresses ?? [] }
    const { client } = await peer.call<{ client: number }>('rpcClient', { service, endpoint: endpoint.handle, to: near })
    return new PeerClient(peer, client)
  }

  /** One over a given connection. */
  static async over(peer: Peer, connection: PeerConnection, service: ServiceName): Promise<PeerClient> {
    const { client } = await peer.call<{ client: number }>('rpcClient', { service, connection: connection.handle })
    return new PeerClient(peer, client)
  }

  /** Starts a call; a notify is sent when this resolves. */
  async call(method: string, request: Json = null): Promise<PeerCall> {
    const { call } = await this.#peer.call<{ call: number }>('rpcCall', { client: this.#client, method, request })
    return new PeerCall(this.#peer, call)
  }

  /** Calls, sends the updates and collects the answers to their end. */
  async run(method: string, request: Json = null, updates: readonly Json[] = []): Promise<Json[]> {
    const call = await this.call(method, request)
    for (const update of updates) await call.send(update)
    await call.finish()
    return await call.rest()
  }

  /** The one answer of a call. */
  async ask(method: string, request: Json = null, updates: readonly Json[] = []): Promise<Json> {
    const answers = await this.run(method, request, updates)
    if (answers.length !== 1) throw new Error(`${method} gave ${answers.length} answers`)
    return answers[0] as Json
  }

  /** Many calls of the tea service, some of which are dropped at a random point: `interop/src/rpc_storm.rs`. */
  storm(options: { method: string; calls: number; parallel: number; cancelPercent: number; seed: number }): Promise<StormTally> {
    return this.#peer.call('rpcStorm', { client: this.#client, ...options })
  }

  /** Drops it, and with it the connection that it dialed. */
  async release(): Promise<void> {
    await this.#peer.call('rpcRelease', { client: this.#client })
  }
}

/** A call of a Rust client. */
export class PeerCall {
  readonly #peer: Peer
  readonly #call: number

  constructor(peer: Peer, call: number) {
    this.#peer = peer
    this.#call = call
  }

  async send(update: Json): Promise<void> {
    await this.#command('Send', { update })
  }

  /** The next answer, undefined at the end. */
  async next(): Promise<Json | undefined> {
    return (await this.#command<{ item: Json } | null>('Next'))?.item
  }

  /** All answers to the end. */
  async rest(): Promise<Json[]> {
    const answers: Json[] = []
    for (let answer = await this.next(); answer !== undefined; answer = await this.next()) answers.push(answer)
    return answers
  }

  /** Drops the sender of updates, which ends them well. */
  async finish(): Promise<void> {
    await this.#command('Finish')
  }

  /** Drops the receiver of answers. */
  async leave(): Promise<void> {
    await this.#command('Leave')
  }

  /** Drops both, as a Rust caller does that gives up. */
  async drop(): Promise<void> {
    await this.#command('Drop')
  }

  #command<T>(name: string, args: object = {}): Promise<T> {
    return this.#peer.call<T>(`rpc${name}`, { call: this.#call, ...args })
  }
}
