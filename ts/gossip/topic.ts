// One subscription, as users hold it.
import type { Dialable } from '../endpoint/addr.js'
import type { EndpointId } from '../endpoint/key.js'
import type { WaitOptions } from '../endpoint/options.js'
import type { BytesLike } from '../wire/bytes.js'
import { options as checkOptions, signalOf, toBytes } from '../wire/check.js'
import type { GossipEvent } from './event.js'
import { type JoinOptions, peersOf, timeoutOf } from './options.js'
import type { ReceiverCore } from './receiver.js'
import { NEIGHBORS, type SenderCore, SWARM } from './sender.js'
import type { TopicId } from './topic-id.js'

let make: (id: TopicId, sender: SenderCore, receiver: ReceiverCore) => Topic

/**
 * One subscription. No order, no history, no promise of delivery; equal content is delivered once in 90 s, so put a nonce or
 * a time in what may come again. Whoever knows the id can write anything: sign what matters.
 *
 * Events that nobody reads wait, at most `capacity` of them; then the oldest messages go and one `lagged` tells how many.
 *
 * @example
 * ```ts
 * await using topic = await gossip.subscribe('tea house', [ticket])
 * await topic.broadcast(`hello, it is ${new Date().toISOString()}`)
 * for await (const event of topic) {
 *   if (event.type === 'received') console.log(new TextDecoder().decode(event.content))
 * }
 * ```
 */
export class Topic implements AsyncIterable<GossipEvent>, AsyncDisposable {
  readonly id: TopicId
  readonly #sender: SenderCore
  readonly #receiver: ReceiverCore

  static {
    make = (id, sender, receiver) => new Topic(id, sender, receiver)
  }

  private constructor(id: TopicId, sender: SenderCore, receiver: ReceiverCore) {
    this.id = id
    this.#sender = sender
    this.#receiver = receiver
  }

  /** At least one neighbor. Codes: JOIN_TIMEOUT, its cause an `AggregateError` of the peers that could not be dialed; TOPIC_CLOSED. */
  async joined(options: JoinOptions = {}): Promise<void> {
    checkOptions(options)
    await this.#receiver.joined(timeoutOf(options), signalOf(options))
  }

  get isJoined(): boolean {
    return this.#receiver.isJoined
  }

  /**
   * To the swarm; resolves, once queued, with the number of neighbors it was queued for: 0 means that nobody hears it. Waits for neighbors that
   * are behind as long as they catch up; of one that takes nothing for seconds the oldest messages are dropped.
   * Codes: MESSAGE_TOO_LARGE, TOPIC_CLOSED.
   *
   * @param message copied before this returns
   * @param options an abort after this returns leaves it open whether the message goes out
   */
  broadcast(message: BytesLike, options?: WaitOptions): Promise<number> {
    return this.#send(SWARM, message, options)
  }

  /** To direct neighbors only, all of them. Codes as `broadcast`. */
  broadcastNeighbors(message: BytesLike, options?: WaitOptions): Promise<number> {
    return this.#send(NEIGHBORS, message, options)
  }

  #send(scope: number, message: BytesLike, options: WaitOptions | undefined): Promise<number> {
    try {
      return this.#sender.send(scope, toBytes(message, 'message'), signalOf(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** More bootstrap peers. Codes: TOPIC_CLOSED. */
  async join(peers: readonly Dialable[]): Promise<void> {
    await this.#sender.join(peersOf(peers, 'peers'))
  }

  /** As known now. */
  neighbors(): EndpointId[] {
    return this.#receiver.neighbors
  }

  /** Ends when the topic is closed. Leaving the loop leaves the topic open: a later loop goes on where this one stopped. */
  [Symbol.asyncIterator](): AsyncIterator<GossipEvent, undefined, undefined> {
    return this.#receiver.iterate()
  }

  /** Two owners; the topic is left when both are closed. Closing this closes both. */
  split(): { readonly sender: TopicSender; readonly receiver: TopicReceiver } {
    return { sender: new SendingHalf(this, this.#sender), receiver: new ReceivingHalf(this, this.#receiver) }
  }

  /** Sends what was broadcast before, then leaves; neighbors are told. Iterations end. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([this.#receiver.close(), this.#sender.close()])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Who writes to a topic. */
export type TopicSender = Pick<Topic, 'id' | 'broadcast' | 'broadcastNeighbors' | 'join' | 'close'> & AsyncDisposable
/** Who reads a topic. */
export type TopicReceiver = Pick<Topic, 'id' | 'joined' | 'isJoined' | 'neighbors' | 'close'> & AsyncIterable<GossipEvent> & AsyncDisposable

class SendingHalf implements TopicSender {
  readonly #topic: Topic
  readonly #core: SenderCore

  constructor(topic: Topic, core: SenderCore) {
    this.#topic = topic
    this.#core = core
  }

  get id(): TopicId {
    return this.#topic.id
  }

  broadcast(message: BytesLike, options?: WaitOptions): Promise<number> {
    return this.#topic.broadcast(message, options)
  }

  broadcastNeighbors(message: BytesLike, options?: WaitOptions): Promise<number> {
    return this.#topic.broadcastNeighbors(message, options)
  }

  join(peers: readonly Dialable[]): Promise<void> {
    return this.#topic.join(peers)
  }

  close(): Promise<void> {
    return this.#core.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

class ReceivingHalf implements TopicReceiver {
  readonly #topic: Topic
  readonly #core: ReceiverCore

  constructor(topic: Topic, core: ReceiverCore) {
    this.#topic = topic
    this.#core = core
  }

  get id(): TopicId {
    return this.#topic.id
  }

  joined(options?: JoinOptions): Promise<void> {
    return this.#topic.joined(options)
  }

  get isJoined(): boolean {
    return this.#core.isJoined
  }

  neighbors(): EndpointId[] {
    return this.#core.neighbors
  }

  [Symbol.asyncIterator](): AsyncIterator<GossipEvent, undefined, undefined> {
    return this.#core.iterate()
  }

  close(): Promise<void> {
    return this.#core.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

export function makeTopic(id: TopicId, sender: SenderCore, receiver: ReceiverCore): Topic {
  return make(id, sender, receiver)
}
