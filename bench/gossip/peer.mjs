/**
 * One process of a gossip pair, with the lines of `gossip-bench` of the interop peer: `receive MS` and
 * `send ID ADDRESS BYTES`.
 */
import { once } from 'node:events'
import { ALPN, Gossip } from '../../dist/gossip/index.js'
import { Endpoint, Router } from '../../dist/index.js'

const TOPIC = '07'.repeat(32)
/** Messages that wait for their turn at once; the reference holds 64 and never tells what became of them. */
const IN_FLIGHT = 512

const [role, ...rest] = process.argv.slice(2)
if (role === 'receive') await receive(Number(rest[0]))
else if (role === 'send') await send({ id: rest[0], addresses: [rest[1]] }, Number(rest[2]))
else throw new Error(`the role is receive or send, not ${role}`)

async function start() {
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0' })
  const gossip = new Gossip(endpoint)
  const router = Router.builder(endpoint).accept(ALPN, gossip).spawn()
  return { endpoint, gossip, router }
}

/** Counts what comes in the `ms` after the first message. */
async function receive(ms) {
  const { endpoint, gossip, router } = await start()
  const topic = await gossip.subscribe(TOPIC)
  print({ id: endpoint.id, address: endpoint.boundAddresses[0] })
  let [received, lagged, bytes, started] = [0, 0, 0, 0]
  for await (const event of topic) {
    if (event.type === 'lagged') lagged += event.missed
    if (event.type !== 'received') continue
    const now = performance.now()
    if (started === 0) started = now
    else if (now - started > ms) break
    received++
    bytes += event.content.length
  }
  print({ received, lagged, bytes, ms: performance.now() - started })
  await router.shutdown()
}

/** Broadcasts as fast as it is let until stdin ends, each content different. */
async function send(to, bytes) {
  const { gossip } = await start()
  const topic = await gossip.subscribeAndJoin(TOPIC, [to])
  let ended = false
  process.stdin.resume()
  void once(process.stdin, 'end').then(() => {
    ended = true
  })
  const content = new Uint8Array(Math.max(bytes, 8))
  const number = new DataView(content.buffer)
  let sent = 0
  const lane = async () => {
    while (!ended) {
      number.setBigUint64(0, BigInt(sent++), true)
      await topic.broadcast(content)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  process.stdout.write(`${JSON.stringify({ sent })}\n`, () => process.exit())
}

function print(line) {
  console.log(JSON.stringify(line))
}
