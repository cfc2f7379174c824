// How do I know who is here?
//
// Gossip tells of neighbors, and in a swarm those are only a few of all. So everybody says now and then that they are here; who has
// said nothing for a while is gone, and who leaves in order says so. No server, no list that somebody keeps.
// Run: npx tsx examples/presence.ts
import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { Endpoint, Router } from 'gaiwan'
import { ALPN, Gossip, type Topic } from 'gaiwan/gossip'

const LOOPBACK = { bind: '127.0.0.1:0' }
const TOPIC = `office ${randomUUID()}`
/** Short, because this is a show. A real one says it every half minute and forgets after two. */
const EVERY_MS = 100
const GONE_MS = 600

/** Keeps a list of who is here. */
class Presence {
  /** `changed` after each change. */
  readonly events = new EventEmitter()
  readonly #name: string
  readonly #router: Router
  readonly #topic: Topic
  readonly #seen = new Map<string, number>()
  readonly #timer: NodeJS.Timeout

  private constructor(name: string, router: Router, topic: Topic) {
    this.#name = name
    this.#router = router
    this.#topic = topic
    this.#timer = setInterval(() => this.#beat(), EVERY_MS)
    void this.#listen()
  }

  static async enter(name: string, ticket?: string): Promise<Presence> {
    const endpoint = await Endpoint.bind(LOOPBACK)
    const gossip = new Gossip(endpoint)
    const router = Router.builder(endpoint).accept(ALPN, gossip).spawn()
    return new Presence(name, router, await gossip.subscribe(TOPIC, ticket === undefined ? [] : [ticket]))
  }

  get ticket(): string {
    return this.#router.endpoint.ticket()
  }

  get others(): string[] {
    return [...this.#seen.keys()].sort()
  }

  /** Waits until exactly these others are here, and says so: a moment later somebody may be late with a word. */
  async sees(...names: string[]): Promise<string> {
    while (this.others.join() !== names.join()) await once(this.events, 'changed')
    return `${this.#name} sees ${this.others.join(', ')}`
  }

  /** Says goodbye, and goes. */
  async leave(): Promise<void> {
    await this.#say('leaves')
    await this.vanish()
  }

  /** Goes without a word. */
  async vanish(): Promise<void> {
    clearInterval(this.#timer)
    await this.#router.shutdown()
  }

  #beat(): void {
    void this.#say('is here')
    const limit = performance.now() - GONE_MS
    for (const [name, at] of this.#seen) if (at < limit) this.#forget(name)
  }

  /** With a nonce: the same words would be delivered once in 90 s. */
  async #say(what: 'is here' | 'leaves'): Promise<void> {
    await this.#topic.broadcast(JSON.stringify({ name: this.#name, what, nonce: randomUUID() })).catch(() => {})
  }

  async #listen(): Promise<void> {
    for await (const event of this.#topic) {
      if (event.type !== 'received') continue
      const { name, what } = JSON.parse(new TextDecoder().decode(event.content))
      if (what === 'leaves') this.#forget(name)
      else {
        const isNew = !this.#seen.has(name)
        this.#seen.set(name, performance.now())
        if (isNew) this.events.emit('changed')
      }
    }
  }

  #forget(name: string): void {
    if (this.#seen.delete(name)) this.events.emit('changed')
  }
}

const ann = await Presence.enter('Ann')
const ben = await Presence.enter('Ben', ann.ticket)
const cleo = await Presence.enter('Cleo', ben.ticket)
const dan = await Presence.enter('Dan', cleo.ticket)
for (const said of await Promise.all([ann.sees('Ben', 'Cleo', 'Dan'), dan.sees('Ann', 'Ben', 'Cleo')])) console.log(said)

await ben.leave()
const [said] = await Promise.all([ann.sees('Cleo', 'Dan'), dan.sees('Ann', 'Cleo')])
console.log('Ben said goodbye,', said)

await dan.vanish()
console.log('Dan was not heard of for a while,', await ann.sees('Cleo'))

await Promise.all([ann.leave(), cleo.leave()])
