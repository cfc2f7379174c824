/** Many real endpoints in this process, through the public API. */
import { ALPN, Gossip } from '../../dist/gossip/index.js'
import { Endpoint, Router } from '../../dist/index.js'

const TOPIC = 'swarm of the bench'
/** Messages under way at once. */
const AT_ONCE = 64
/** A message that is not everywhere after this time counts as missed. */
const PATIENCE_MS = 30_000
/** The same for a message that only finds out whether the swarm is one. */
const PROBE_MS = 1_000

/**
 * Once the swarm is one, every message of `messages` must reach every node; then 30 % of the nodes are closed without leaving their topic, and
 * as many messages more must reach all that are left. `settled` is the time until a first message was everywhere, in milliseconds.
 */
export async function swarm({ endpoints, messages }) {
  const messenger = new Messenger()
  const nodes = [await enter(messenger)]
  while (nodes.length < endpoints) {
    // Each knows one of those before it.
    const known = nodes[Math.floor(Math.random() * nodes.length)]
    nodes.push(await enter(messenger, known.endpoint.addr))
  }
  const row = async (pattern, alive) => {
    const settled = await messenger.settled(alive)
    return { nodes: alive.length, pattern: `real, ${pattern}, ${AT_ONCE} at once`, settled, ...(await messenger.rounds(alive, messages)) }
  }
  const rows = [await row('changing sender', nodes)]
  const lost = nodes.splice(Math.ceil(endpoints * 0.7))
  await Promise.all(lost.map(({ endpoint }) => endpoint.close()))
  rows.push(await row('changing, 30 % less', nodes))
  await Promise.all(nodes.map(({ router }) => router.shutdown()))
  return rows
}

async function enter(messenger, known) {
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0', closeTimeoutMs: 200 })
  const gossip = new Gossip(endpoint)
  const router = Router.builder(endpoint).accept(ALPN, gossip).spawn()
  const topic = known === undefined ? await gossip.subscribe(TOPIC) : await gossip.subscribeAndJoin(TOPIC, [known])
  void messenger.listen(topic)
  return { endpoint, gossip, router, topic }
}

/** Numbers messages and waits until all have them. */
class Messenger {
  #last = 0
  #open = new Map()

  async listen(topic) {
    for await (const event of topic) {
      if (event.type !== 'received') continue
      const message = this.#open.get(new DataView(event.content.buffer, event.content.byteOffset).getUint32(0))
      if (message === undefined) continue
      message.hops = Math.max(message.hops, event.scope.round + 1)
      if (--message.missing === 0) message.done()
    }
  }

  async rounds(nodes, messages) {
    const copies = () => nodes.reduce((sum, { gossip }) => sum + gossip.metrics().msgs_data_recv, 0)
    const before = copies()
    const all = { ldh: 0, ms: 0, missed: 0 }
    let left = messages
    const lane = async () => {
      while (left-- > 0) {
        const { hops, ms, missing } = await this.#send(nodes)
        all.ldh += hops
        all.ms += ms
        all.missed += missing
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    const deliveries = messages * (nodes.length - 1) - all.missed
    const rmr = (copies() - before) / deliveries - 1
    return { rounds: messages, rmr, ldh: all.ldh / messages, ms: all.ms / messages, missed: all.missed / messages }
  }

  /**
   * A node whose only neighbor had no room for it has none for a moment, and nobody is sent what was said before; so too after a loss.
   */
  async settled(nodes) {
    const begun = performance.now()
    while ((await this.#send(nodes, PROBE_MS)).missing > 0);
    return performance.now() - begun
  }

  async #send(nodes, patience = PATIENCE_MS) {
    const number = ++this.#last
    const { topic } = nodes[Math.floor(Math.random() * nodes.length)]
    const content = new Uint8Array(64)
    new DataView(content.buffer).setUint32(0, number)
    const begun = performance.now()
    const message = { missing: nodes.length - 1, hops: 0, done: () => {} }
    const everywhere = new Promise((resolve) => {
      message.done = resolve
      setTimeout(resolve, patience).unref()
    })
    this.#open.set(number, message)
    await topic.broadcast(content)
    await everywhere
    this.#open.delete(number)
    return { ...message, ms: performance.now() - begun }
  }
}
