// How do I send what is worthless when it comes late?
//
// Datagrams: one packet each, never repeated, in no order. This thermometer sends its readings and does not look back.
// Run: npx tsx examples/datagrams.ts
import { type Connection, Endpoint, Router } from 'gaiwan'

const ALPN = 'example/thermometer/1'
const LOOPBACK = { bind: '127.0.0.1:0' }
const READINGS = 200

/** Counts readings until the peer asks how many came. */
async function gauge(connection: Connection): Promise<void> {
  let heard = 0
  let warmest = Number.NEGATIVE_INFINITY
  const listen = async () => {
    for await (const datagram of connection.datagrams()) {
      heard++
      warmest = Math.max(warmest, new DataView(datagram.buffer, datagram.byteOffset).getFloat32(4))
    }
  }
  await Promise.all([listen(), connection.serve(() => JSON.stringify({ heard, warmest }))])
}

const router = Router.builder(await Endpoint.bind(LOOPBACK))
  .accept(ALPN, gauge)
  .spawn()
const me = await Endpoint.bind(LOOPBACK)
const connection = await me.connect(router.endpoint.addr, ALPN)
console.log('a datagram carries up to', connection.maxDatagramBytes, 'bytes')

for (let n = 0; n < READINGS; n++) {
  const reading = new DataView(new ArrayBuffer(8))
  reading.setUint32(0, n)
  reading.setFloat32(4, 60 + 35 * Math.sin((Math.PI * n) / READINGS))
  // `sendDatagram` would push out the oldest reading when the buffer is full; this waits for room instead.
  await connection.sendDatagramWait(new Uint8Array(reading.buffer))
}

// A stream may overtake the last datagrams, so ask until the count stands still.
let last = -1
for (;;) {
  const { heard, warmest } = JSON.parse(new TextDecoder().decode(await connection.request('how many?')))
  if (heard === last) {
    console.log(`${heard} of ${READINGS} readings heard, the warmest ${warmest.toFixed(0)} °C`)
    break
  }
  last = heard
}

connection.close()
await me.close()
await router.shutdown()
