// How do I send bytes to a peer and get them back?
//
// The acceptor names a protocol (its ALPN) and gives it a function; the dialer asks for that name at that peer.
// Run: npx tsx examples/echo.ts
import { type Connection, Endpoint, Router } from 'gaiwan'

const ALPN = 'example/parrot/1'
const LOOPBACK = { bind: '127.0.0.1:0' }
const text = new TextDecoder()

/** Says everything again, on the stream it came from. Back-pressure is in the `await`: a slow listener slows the speaker. */
async function parrot(connection: Connection): Promise<void> {
  for await (const { send, recv } of connection.incomingBi()) {
    for await (const chunk of recv) await send.write(chunk)
    await send.finish()
  }
}

const router = Router.builder(await Endpoint.bind(LOOPBACK))
  .accept(ALPN, parrot)
  .spawn()
const me = await Endpoint.bind(LOOPBACK)

// `addr` is the peer's public key and where it listens. The key is what counts: whoever answers must prove it.
const connection = await me.connect(router.endpoint.addr, ALPN)
console.log('connected to', connection.remoteId.slice(0, 10), 'with', connection.alpn)

// Word by word over a stream: what comes back may be cut elsewhere, so read to the end.
const { send, recv } = await connection.openBi()
for (const word of ['more ', 'tea, ', 'please']) await send.write(word)
await send.finish()
console.log('by a stream:', text.decode(await recv.readToEnd(1_024)))

// A question and its answer are so common that they have a call of their own.
console.log('by a request:', text.decode(await connection.request('and a biscuit')))

connection.close(0, 'thank you')
await me.close()
await router.shutdown()
