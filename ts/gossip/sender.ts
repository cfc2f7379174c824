// The sending half of a topic.
import { Lease } from '../endpoint/lease.js'
import type { EndpointAddr } from '../endpoint/addr.js'
import { GaiwanError } from '../errors.js'
import type { EMPTY } from '../wire/bytes.js'
import { BROADCAST } from '../wire/records.js'
import type { GossipCore } from './core.js'

/** Who gets a message: the parameter of its record. */
export const SWARM = 0
export const NEIGHBORS = 1

export class SenderCore {
  readonly #gossip: GossipCore
  readonly #lease: Lease
  readonly #maxContentBytes: number
  #closed: Promise<void> | null = null

  constructor(gossip: GossipCore, handle: number, maxContentBytes: number) {
    this.#gossip = gossip
    this.#lease = new Lease(handle)
    this.#maxContentBytes = maxContentBytes
    gossip.endpoint.bridge.own(this, this.#lease)
  }

  /** Sends with all that is sent in this tick; the number of neighbors it was queued for. Copies `content` before it returns. */
  send(scope: number, content: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
    const { handle } = this.#lease
    if (handle === 0) return Promise.reject(topicClosed())
    if (content.length > this.#maxContentBytes) {
      const text = `a message has ${content.length} bytes, more than the ${this.#maxContentBytes} that one may have`
      return Promise.reject(new GaiwanError('MESSAGE_TOO_LARGE', text))
    }
    return this.#gossip.endpoint.bridge.callRecord(BROADCAST, handle, scope, content, countOf, this, signal)
  }

  async join(peers: readonly EndpointAddr[]): Promise<void> {
    const { bridge, pending } = this.#gossip.endpoint
    const { handle } = this.#lease
    if (handle === 0) throw topicClosed()
    this.#gossip.endpoint.check()
    const ids = this.#gossip.learn(peers)
    await bridge.call(
      (native, id) => native.gossipJoin(id, handle, ids),
      () => {},
      { group: pending, keep: this },
    )
  }

  close(): Promise<void> {
    this.#closed ??= closeHalf(this.#gossip, this.#lease, 'gossipCloseSender')
    return this.#closed
  }
}

/** Gives a half up; natively the handle is used up by it. */
export async function closeHalf(gossip: GossipCore, lease: Lease, method: 'gossipCloseSender' | 'gossipCloseReceiver'): Promise<void> {
  const { handle } = lease
  const { bridge, pending, isClosed } = gossip.endpoint
  if (handle === 0) return
  if (isClosed) {
    bridge.release(lease)
    return
  }
  lease.handle = 0
  const done = bridge.call(
    (native, id) => native[method](id, handle),
    () => {},
    { group: pending },
  )
  // What the close of the endpoint ends has ended.
  await done.catch((error: unknown) => {
    if (!GaiwanError.is(error, 'ENDPOINT_CLOSED')) throw error
  })
}

export function topicClosed(): GaiwanError {
  return new GaiwanError('TOPIC_CLOSED', 'the topic was closed')
}

function countOf(count: number, _body: typeof EMPTY): number {
  return count
}
