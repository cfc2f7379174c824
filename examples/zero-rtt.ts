// How do I save a round trip when I come back to a peer?
//
// The first connection leaves a ticket. With it, the next one sends its question along with the first packet. Whoever
// copies that packet can play it again, so early questions must be harmless when asked twice.
// Run: npx tsx examples/zero-rtt.ts
import { type BiStream, type EarlyConnection, Endpoint, Router } from 'gaiwan'

const ALPN = 'example/temperature/1'
const LOOPBACK = { bind: '127.0.0.1:0' }
const BREW: Record<string, number> = { sencha: 70, oolong: 85, assam: 95 }

const router = Router.builder(await Endpoint.bind(LOOPBACK))
  .accept(ALPN, (connection) => connection.serve((tea) => `${BREW[new TextDecoder().decode(tea)] ?? '?'} °C`))
  .spawn()
const me = await Endpoint.bind(LOOPBACK)

async function ask(early: EarlyConnection, tea: string): Promise<BiStream> {
  const stream = await early.openBi()
  await stream.send.write(tea)
  await stream.send.finish()
  return stream
}

async function temperature(tea: string): Promise<string> {
  const early = await me.connectEarly(router.endpoint.addr, ALPN)
  let stream = await ask(early, tea)
  // A peer that was restarted has forgotten its tickets. What went out early is lost then, and must be sent again.
  const inTime = early.attempted && (await early.accepted)
  if (early.attempted && !inTime) stream = await ask(early, tea)
  const answer = new TextDecoder().decode(await stream.recv.readToEnd(64))
  const connection = await early.handshake()
  connection.close()
  return `${answer}, ${inTime ? 'asked in the first packet' : 'asked after the handshake'}`
}

console.log('sencha:', await temperature('sencha'))
console.log('oolong:', await temperature('oolong'))
console.log('assam:', await temperature('assam'))

await me.close()
await router.shutdown()
