// The native instance of one endpoint.
import type { Sink } from '../endpoint/call.js'
import type { EndpointAddr } from '../endpoint/addr.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { EndpointCore } from '../endpoint/endpoint-core.js'
import { Lease } from '../endpoint/lease.js'
import { nearestFirst } from '../endpoint/local.js'
import { fromThrown, GaiwanError } from '../errors.js'
import { Dials, Questions } from './asking.js'
import type { Settings } from './options.js'
import type { TopicId } from './topic-id.js'

/** It lives until the endpoint is closed, for a Router may serve with it. */
export class GossipCore {
  readonly endpoint: EndpointCore
  readonly #lease: Lease
  readonly #subs: number[] = []
  readonly #announce = (addr: EndpointAddr): void => {
    const { relayUrl = null, addresses = [] } = addr
    if (this.handle !== 0) this.endpoint.bridge.direct.gossipAnnounce(this.handle, relayUrl, [...addresses])
  }
  #shutdown: Promise<void> | null = null

  constructor(endpoint: Endpoint, core: EndpointCore, settings: Settings) {
    this.endpoint = core
    const options = { ...settings.native }
    options.dialSub = this.#listen(new Dials(endpoint, core, settings.alpn))
    options.dialAll = core.settings.hooks.some((hook) => hook.beforeConnect !== undefined)
    if (settings.accept !== undefined) options.acceptSub = this.#listen(new Questions(core, settings.accept))
    try {
      this.#lease = new Lease(core.bridge.direct.gossipNew(core.handle, options))
    } catch (error) {
      this.#forget()
      throw fromThrown(error)
    }
    // Before the first topic, whose Join carries it.
    this.#announce(core.addr)
    core.events.on('addr', this.#announce)
    void core.closed.then(() => this.#release())
  }

  /** The native handle, 0 once the endpoint is closed. */
  get handle(): number {
    return this.#lease.handle
  }

  get metrics(): Record<string, number> {
    return this.handle === 0 ? {} : this.endpoint.bridge.loose.gossipMetrics(this.handle)
  }

  /** Throws ENDPOINT_CLOSED or GOSSIP_CLOSED. */
  check(): void {
    this.endpoint.check()
    if (this.#shutdown !== null) throw new GaiwanError('GOSSIP_CLOSED', 'gossip was shut down')
  }

  /** Notes where peers are; their ids, 32 bytes each. */
  learn(peers: readonly EndpointAddr[]): Uint8Array {
    for (const { id, addresses = [] } of peers) {
      if (addresses.length > 0) this.endpoint.bridge.direct.gossipLearn(this.handle, id, nearestFirst(addresses))
    }
    return Buffer.from(peers.map(({ id }) => id).join(''), 'hex')
  }

  /** Handles of the sending and of the receiving half. */
  subscribe(topic: TopicId, bootstrap: readonly EndpointAddr[], capacity: number): readonly [sender: number, receiver: number] {
    this.check()
    const { bridge } = this.endpoint
    try {
      const ids = this.learn(bootstrap)
      const [sender, receiver] = bridge.direct.gossipSubscribe(this.handle, Buffer.from(topic, 'hex'), ids, capacity)
      return [sender as number, receiver as number]
    } catch (error) {
      throw fromThrown(error)
    }
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= this.#stop()
    return this.#shutdown
  }

  async #stop(): Promise<void> {
    const { bridge, pending } = this.endpoint
    const { handle } = this
    if (handle === 0) return
    const done = bridge.call(
      (native, id) => native.gossipShutdown(id, handle),
      () => {},
      { group: pending, keep: this },
    )
    // The close of the endpoint ends it too.
    await done.catch((error: unknown) => {
      if (!GaiwanError.is(error, 'ENDPOINT_CLOSED')) throw error
    })
  }

  #listen(sink: Sink): number {
    const { bridge } = this.endpoint
    const sub = bridge.nextId()
    bridge.listen(sub, sink)
    this.#subs.push(sub)
    return sub
  }

  #forget(): void {
    for (const sub of this.#subs.splice(0)) this.endpoint.bridge.forget(sub)
  }

  #release(): void {
    this.#forget()
    this.endpoint.events.off('addr', this.#announce)
    this.endpoint.bridge.release(this.#lease)
  }
}
