// How do I let everybody in a group talk to everybody?
//
// A topic is a swarm: each peer keeps a few neighbors, and what one says is passed on until all have it. Nobody needs to know all
// others; one of them is enough to join. `from` of a message is only the last hop, so what matters is signed by its author here, with
// a nonce, since equal content is delivered once in 90 s. (`gaiwan chat` does the same for a terminal.)
// Run: npx tsx examples/chat.ts
import { randomUUID } from 'node:crypto'
import { Endpoint, Router, verify } from 'gaiwan'
import { ALPN, Gossip, type Topic } from 'gaiwan/gossip'

const LOOPBACK = { bind: '127.0.0.1:0' }
const ROOM = `tea house ${randomUUID()}`

interface Guest {
  readonly name: string
  readonly endpoint: Endpoint
  readonly router: Router
  readonly topic: Topic
}

/** Who has a ticket of somebody inside comes in; the first waits for others. */
async function enter(name: string, ticket?: string): Promise<Guest> {
  const endpoint = await Endpoint.bind(LOOPBACK)
  const gossip = new Gossip(endpoint)
  const router = Router.builder(endpoint).accept(ALPN, gossip).spawn()
  const topic = ticket === undefined ? await gossip.subscribe(ROOM) : await gossip.subscribeAndJoin(ROOM, [ticket])
  return { name, endpoint, router, topic }
}

/** The room is part of what is signed, so that nobody can carry the words to another one. */
const toSign = (by: string, body: string) => `${ROOM}\n${by}\n${body}`

function say({ name, endpoint, topic }: Guest, text: string): Promise<number> {
  const body = JSON.stringify({ name, text, nonce: randomUUID() })
  const signature = Buffer.from(endpoint.secretKey.sign(toSign(endpoint.id, body))).toString('hex')
  return topic.broadcast(JSON.stringify({ by: endpoint.id, body, signature }))
}

/** Reads so many messages; those whose signature is not that of their author are pointed out. */
async function hear({ topic }: Guest, count: number): Promise<string[]> {
  const heard: string[] = []
  for await (const event of topic) {
    if (event.type !== 'received') continue
    const { by, body, signature } = JSON.parse(new TextDecoder().decode(event.content))
    const { name, text } = JSON.parse(body)
    heard.push(verify(by, toSign(by, body), Buffer.from(signature, 'hex')) ? `${name}: ${text}` : `somebody as ${name}: ${text}`)
    if (heard.length === count) break
  }
  return heard.sort()
}

const ann = await enter('Ann')
const ticket = ann.endpoint.ticket()
const [ben, cleo] = await Promise.all([enter('Ben', ticket), enter('Cleo', ticket)])
console.log('Ben and Cleo came in by the ticket of Ann')

const atCleo = hear(cleo, 3)
await say(ann, 'is the kettle on?')
await say(ben, 'it is')
// Somebody who writes as Ann with a key of their own.
const body = JSON.stringify({ name: 'Ann', text: 'no tea today', nonce: randomUUID() })
const signature = Buffer.from(ben.endpoint.secretKey.sign(toSign(ann.endpoint.id, body))).toString('hex')
await ben.topic.broadcast(JSON.stringify({ by: ann.endpoint.id, body, signature }))
for (const line of await atCleo) console.log('Cleo hears', line)

// Whoever shuts down leaves all topics; the neighbors are told.
for (const { router } of [cleo, ben, ann]) await router.shutdown()
console.log('all have left')
