// How do I decide about a dialer before spending a handshake on it?
//
// Take the attempts from the endpoint yourself, without a Router. This tea house has two tables.
// Run: npx tsx examples/accept-loop.ts
import { Endpoint, GaiwanError, type Incoming } from 'gaiwan'

const ALPN = 'example/table/1'
const TABLES = 2

const house = await Endpoint.bind({ bind: '127.0.0.1:0', alpns: [ALPN] })
let taken = 0

/** Serves one guest. A table is taken from the decision on, not only when the handshake is done. */
async function seat(incoming: Incoming): Promise<void> {
  taken++
  try {
    const connection = await incoming.accept()
    await connection.serve((wish) => `${new TextDecoder().decode(wish)} is on its way`)
  } finally {
    taken--
  }
}

async function door(): Promise<void> {
  for await (const incoming of house) {
    // An address can be forged until it has answered once; `retry` makes the dialer come again with a proof.
    if (!incoming.addressValidated) incoming.retry()
    else if (taken === TABLES) incoming.refuse()
    // Not awaited: one guest who is slow at the door must not hold up the others.
    else seat(incoming).catch((error) => console.log('a guest left early:', error.message))
  }
}
const atTheDoor = door()

const guest = await Endpoint.bind({ bind: '127.0.0.1:0' })
const tables = []
for (const wish of ['sencha', 'assam']) {
  const connection = await guest.connect(house.addr, ALPN)
  console.log(new TextDecoder().decode(await connection.request(wish)))
  tables.push(connection)
}
try {
  await guest.connect(house.addr, ALPN)
  console.log('a third table was found')
} catch (error) {
  if (!GaiwanError.is(error, 'CONNECTION_REFUSED')) throw error
  console.log('no table for the third guest')
}

for (const connection of tables) connection.close()
await guest.close()
await house.close() // ends the loop at the door
await atTheDoor
console.log('closed')
