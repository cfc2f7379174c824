// All topics of one endpoint.
import type { Dialable } from '../endpoint/addr.js'
import { type Connection, connectionCore } from '../endpoint/connection.js'
import { type Endpoint, endpointCore } from '../endpoint/endpoint.js'
import { native } from '../native.js'
import { NATIVE, type ProtocolHandler } from '../router/handler.js'
import { options as checkOptions, signalOf } from '../wire/check.js'
import { GossipCore } from './core.js'
import { capacityOf, type GossipOptions, type JoinOptions, peersOf, type SubscribeOptions, settings, timeoutOf } from './options.js'
import { ReceiverCore } from './receiver.js'
import { SenderCore } from './sender.js'
import { makeTopic, type Topic } from './topic.js'
import { type TopicId, topicId } from './topic-id.js'

/**
 * All topics of an endpoint. Served in Rust: bytes enter V8 only when somebody reads them.
 *
 * @example
 * ```ts
 * const gossip = new Gossip(endpoint)
 * await using router = Router.builder(endpoint).accept(ALPN, gossip).spawn()
 * await using topic = await gossip.subscribeAndJoin('tea house', [ticket])
 * console.log(topic.neighbors())
 * ```
 */
export class Gossip implements ProtocolHandler, AsyncDisposable {
  readonly endpoint: Endpoint
  readonly maxMessageBytes: number
  /** Bytes that one broadcast may carry: 4,055 by default. */
  readonly maxContentBytes: number
  readonly #core: GossipCore
  readonly #alpn: string

  constructor(endpoint: Endpoint, options?: GossipOptions) {
    const core = endpointCore(endpoint, 'endpoint')
    const checked = settings(options)
    core.check()
    this.endpoint = endpoint
    this.maxMessageBytes = checked.maxMessageBytes
    this.maxContentBytes = native.gossipMaxContentBytes(checked.maxMessageBytes)
    this.#alpn = checked.alpn
    this.#core = new GossipCore(endpoint, core, checked)
  }

  /** @internal */
  get [NATIVE](): number {
    return this.#core.handle
  }

  /**
   * Does not wait for peers; without `bootstrap` it waits to be joined. Addresses in `bootstrap` are learned, an id alone is
   * found by the endpoint's lookups. A string that is no id names blake3(string). Codes: GOSSIP_CLOSED.
   */
  async subscribe(
    topic: TopicId | string | Uint8Array,
    bootstrap: readonly Dialable[] = [],
    options: SubscribeOptions = {},
  ): Promise<Topic> {
    const id = topicId(topic)
    const peers = peersOf(bootstrap, 'bootstrap')
    checkOptions(options)
    const capacity = capacityOf(options)
    signalOf(options)?.throwIfAborted()
    const [sender, receiver] = this.#core.subscribe(id, peers, capacity)
    return makeTopic(id, new SenderCore(this.#core, sender, this.maxContentBytes), new ReceiverCore(this.#core, receiver))
  }

  /** `subscribe`, then `joined`; the topic is left if that fails. Codes: JOIN_TIMEOUT. */
  async subscribeAndJoin(
    topic: TopicId | string | Uint8Array,
    bootstrap: readonly Dialable[],
    options: SubscribeOptions & JoinOptions = {},
  ): Promise<Topic> {
    timeoutOf(checkOptions(options))
    const subscribed = await this.subscribe(topic, bootstrap, options)
    try {
      await subscribed.joined(options)
      return subscribed
    } catch (error) {
      await subscribed.close()
      throw error
    }
  }

  /** Counters and gauges, those of the reference by its names. */
  metrics(): Record<string, number> {
    return this.#core.metrics
  }

  /** For a connection made elsewhere with our ALPN; resolves when it has ended. A Router calls nothing here: it serves natively. */
  async accept(connection: Connection): Promise<void> {
    const { handle: held, endpoint } = connectionCore(connection, 'connection')
    if (endpoint !== this.#core.endpoint) throw new TypeError('connection: expected one of the endpoint that gossips')
    if (connection.alpn !== this.#alpn) throw new TypeError(`connection: expected one with the ALPN ${this.#alpn}`)
    this.#core.check()
    const { handle } = this.#core
    await endpoint.bridge.call(
      (direct, id) => direct.gossipHandle(id, handle, held),
      () => {},
      { group: endpoint.pending, keep: this },
    )
  }

  /** As `accept`. */
  handleConnection(connection: Connection): Promise<void> {
    return this.accept(connection)
  }

  /** Leaves all topics and closes their connections. Idempotent. */
  shutdown(): Promise<void> {
    return this.#core.shutdown()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }
}
