// Endpoints that gossip on 127.0.0.1, and somebody who listens.
import type { ExecutionContext } from 'ava'
import { ALPN, Gossip, type GossipEvent, type GossipOptions, type Topic, type TopicReceiver } from '../../ts/gossip/index.js'
import { type Endpoint, type EndpointOptions, Router } from '../../ts/index.js'
import { bind } from '../helpers/pair.js'

type Test = ExecutionContext<unknown>
type Received = Extract<GossipEvent, { type: 'received' }>

export interface Room {
  readonly endpoint: Endpoint
  readonly gossip: Gossip
  readonly router: Router
}

/** An endpoint with gossip behind a Router; it is shut down when the test ends. */
export async function room(t: Test, options: GossipOptions = {}, endpointOptions: EndpointOptions = {}): Promise<Room> {
  const endpoint = await bind(t, endpointOptions)
  const gossip = new Gossip(endpoint, options)
  const router = Router.builder(endpoint)
    .accept(options.alpn ?? ALPN, gossip)
    .spawn()
  t.teardown(() => router.shutdown())
  return { endpoint, gossip, router }
}

/** So many of them. */
export function rooms(t: Test, count: number, options?: GossipOptions): Promise<Room[]> {
  return Promise.all(Array.from({ length: count }, () => room(t, options)))
}

/** Reads a topic all the time and keeps what it heard. */
export class Ear {
  readonly events: GossipEvent[] = []
  /** Rejects with what the loop threw. */
  readonly done: Promise<void>
  #waiting: (() => void)[] = []

  constructor(topic: Topic | TopicReceiver) {
    this.done = this.#read(topic)
    this.done.catch(() => {})
  }

  /** Waits until a look at what was heard is content. */
  async until(content: (events: readonly GossipEvent[]) => boolean): Promise<void> {
    while (!content(this.events)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Waits for one of a kind that fits. */
  async event<T extends GossipEvent['type']>(
    type: T,
    fits: (event: Extract<GossipEvent, { type: T }>) => boolean = () => true,
  ): Promise<Extract<GossipEvent, { type: T }>> {
    type One = Extract<GossipEvent, { type: T }>
    const find = (): One | undefined => this.events.find((event): event is One => event.type === type && fits(event as One))
    await this.until(() => find() !== undefined)
    return find() as One
  }

  /** Waits for a message with this text. */
  message(text: string): Promise<Received> {
    return this.event('received', ({ content }) => said(content) === text)
  }

  /** Waits for so many different messages. */
  messages(count: number): Promise<void> {
    return this.until(() => this.texts.size >= count)
  }

  get texts(): Set<string> {
    return new Set(this.events.flatMap((event) => (event.type === 'received' ? [said(event.content)] : [])))
  }

  async #read(topic: AsyncIterable<GossipEvent>): Promise<void> {
    for await (const event of topic) {
      this.events.push(event)
      for (const wake of this.#waiting.splice(0)) wake()
    }
  }
}

export const said = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Two that are neighbors in a topic. */
export async function neighbors(t: Test, a: Room, b: Room, name = t.title): Promise<readonly [Topic, Topic]> {
  const there = await b.gossip.subscribe(name)
  const here = await a.gossip.subscribeAndJoin(name, [b.endpoint.addr], { timeoutMs: 60_000 })
  await there.joined({ timeoutMs: 60_000 })
  return [here, there]
}
