// How do two programs of different age agree on a protocol?
//
// Give each version its own ALPN. The acceptor lists what it speaks, best first; the dialer offers what it knows.
// Run: npx tsx examples/versions.ts
import { type Connection, Endpoint, GaiwanError, Router } from 'gaiwan'

const CUPS = 'example/order-cups/1' // answers with a number
const POTS = 'example/order-pots/2' // answers with a number and a unit
const LOOPBACK = { bind: '127.0.0.1:0' }
const text = new TextDecoder()

/** One handler for both: `connection.alpn` tells which was agreed. */
function order(connection: Connection): Promise<void> {
  return connection.serve((guests) => {
    const cups = Number(text.decode(guests)) * 2
    return connection.alpn === POTS ? `${Math.ceil(cups / 6)} pots` : String(cups)
  })
}

const kitchen = Router.builder(await Endpoint.bind(LOOPBACK))
  .accept([POTS, CUPS], order)
  .spawn()
const me = await Endpoint.bind(LOOPBACK)

async function orderFor(guests: number, offered: string[]): Promise<string> {
  const connection = await me.connect(kitchen.endpoint.addr, offered)
  const answer = text.decode(await connection.request(String(guests)))
  const agreed = connection.alpn
  connection.close()
  return `${agreed}: ${answer}`
}

// The dialer's order does not matter; the acceptor's does.
console.log('new waiter,', await orderFor(9, [CUPS, POTS]))
console.log('old waiter,', await orderFor(9, [CUPS]))
try {
  await orderFor(9, ['example/order-barrels/3'])
} catch (error) {
  if (!GaiwanError.is(error, 'ALPN_MISMATCH')) throw error
  console.log('waiter from elsewhere, nothing in common')
}

await me.close()
await kitchen.shutdown()
