// The receiving half of a topic.
import type { EndpointId } from '../endpoint/key.js'
import { Lease } from '../endpoint/lease.js'
import { fromNative, fromThrown, GaiwanError } from '../errors.js'
import { type Bytes, hex } from '../wire/bytes.js'
import { unpack } from './batch.js'
import type { GossipCore } from './core.js'
import type { GossipEvent } from './event.js'
import { closeHalf, topicClosed } from './sender.js'

const ID_BYTES = 32
/** From so many events on, or bytes, there is likely to be more: then the next batch comes while this one is read. */
const FULL_EVENTS = 256
const FULL_BYTES = 192 * 1024

type Next = IteratorResult<GossipEvent, undefined>

export class ReceiverCore {
  readonly #gossip: GossipCore
  readonly #lease: Lease
  #ready: GossipEvent[] = []
  #at = 0
  /** The batch behind the one that is read. */
  #ahead: GossipEvent[] = []
  /** At this event of the batch the one behind it is asked for. */
  #early = -1
  #fetching: Promise<void> | null = null
  #over = false
  #error: GaiwanError | null = null
  #closed: Promise<void> | null = null

  constructor(gossip: GossipCore, handle: number) {
    this.#gossip = gossip
    this.#lease = new Lease(handle)
    gossip.endpoint.bridge.own(this, this.#lease)
  }

  /** Each event goes to one who waits. Leaving the loop ends nothing: the next one goes on where it stopped. */
  iterate(): AsyncIterator<GossipEvent, undefined, undefined> {
    return {
      next: () => this.#next(),
      return: () => Promise.resolve({ value: undefined, done: true }),
    }
  }

  #next(): Promise<Next> {
    const value = this.#take()
    return value === undefined ? this.#wait() : Promise.resolve({ value, done: false })
  }

  async #wait(): Promise<Next> {
    for (;;) {
      const value = this.#take()
      if (value !== undefined) return { value, done: false }
      if (this.#over) {
        const error = this.#error
        this.#error = null
        if (error !== null) throw error
        return { value: undefined, done: true }
      }
      await this.#fetch()
    }
  }

  #take(): GossipEvent | undefined {
    if (this.#at === this.#ready.length) {
      this.#ready = this.#ahead
      this.#at = 0
      this.#ahead = []
    }
    if (this.#at === this.#early) void this.#fetch()
    return this.#ready[this.#at++] ?? this.#none()
  }

  #none(): undefined {
    this.#at = this.#ready.length
    return undefined
  }

  /** Never rejects. */
  #fetch(): Promise<void> {
    this.#early = -1
    this.#fetching ??= this.#batch()
    return this.#fetching
  }

  async #batch(): Promise<void> {
    const { bridge, pending } = this.#gossip.endpoint
    const { handle } = this.#lease
    try {
      if (handle === 0) this.#over = true
      else {
        await bridge.call(
          (native, id) => native.gossipNext(id, handle),
          (count, body) => this.#came(count, body),
          { group: pending, keep: this },
        )
      }
    } catch (error) {
      this.#over = true
      if (!GaiwanError.is(error, 'ENDPOINT_CLOSED', 'TOPIC_CLOSED')) this.#error = fromThrown(error)
    } finally {
      this.#fetching = null
    }
  }

  #came(count: number, block: Bytes): void {
    if (count === 0) {
      this.#over = true
      return
    }
    const events = unpack(block)
    this.#ahead = events
    if (count >= FULL_EVENTS || block.length >= FULL_BYTES) this.#early = count >>> 1
  }

  async joined(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { bridge, pending } = this.#gossip.endpoint
    const { handle } = this.#lease
    if (handle === 0) throw topicClosed()
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), timeoutMs)
    try {
      await bridge.call(
        (native, id) => native.gossipJoined(id, handle),
        () => {},
        { signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]), group: pending, keep: this },
      )
    } catch (error) {
      throw late.signal.aborted && error === late.signal.reason ? this.#joinTimeout(timeoutMs) : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Tells which peers could not be reached. */
  #joinTimeout(timeoutMs: number): GaiwanError {
    const failed = this.#failedDials()
    const names = failed.map(({ id, error }) => `${id.slice(0, 10)}: ${error.code}`)
    const text = `no neighbor within ${timeoutMs} ms${names.length > 0 ? `; could not dial ${names.join(', ')}` : ''}`
    const errors = failed.map(({ id, error: cause }) => new GaiwanError(cause.code, `${id}: ${cause.message}`, { cause }))
    return new GaiwanError(
      'JOIN_TIMEOUT',
      text,
      errors.length > 0 ? { cause: new AggregateError(errors, 'peers that could not be dialed') } : {},
    )
  }

  #failedDials(): { readonly id: EndpointId; readonly error: GaiwanError }[] {
    const { handle } = this.#lease
    if (handle === 0) return []
    const list = JSON.parse(this.#gossip.endpoint.bridge.loose.gossipFailedDials(handle)) as { id: EndpointId; error: string }[]
    return list.map(({ id, error }) => ({ id, error: fromNative(error) }))
  }

  get isJoined(): boolean {
    const { handle } = this.#lease
    return handle !== 0 && this.#gossip.endpoint.bridge.loose.gossipIsJoined(handle)
  }

  get neighbors(): EndpointId[] {
    const { handle } = this.#lease
    if (handle === 0) return []
    const packed = this.#gossip.endpoint.bridge.loose.gossipNeighbors(handle)
    return Array.from({ length: packed.length / ID_BYTES }, (_, n) => hex(packed.subarray(n * ID_BYTES, (n + 1) * ID_BYTES)))
  }

  close(): Promise<void> {
    this.#closed ??= closeHalf(this.#gossip, this.#lease, 'gossipCloseReceiver')
    return this.#closed
  }
}
