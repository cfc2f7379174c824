// How do I reach a TCP service through a peer?
//
// A stream also comes as a node:stream Duplex, which `pipeline` joins with a socket. Here a web server that listens on
// one side is asked from the other; between the two there is only QUIC and a public key.
// Run: npx tsx examples/tcp-tunnel.ts
import { once } from 'node:events'
import { createServer as createWebServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { type BiStream, type Connection, Endpoint, Router } from 'gaiwan'

const ALPN = 'example/tunnel/1'
const LOOPBACK = { bind: '127.0.0.1:0' }

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
/** Joins the two until both directions have ended. One that is cut is nothing to stop the tunnel for. */
async function join(socket: Socket, stream: BiStream): Promise<void> {
  try {
    await pipeline(socket, stream.duplex(), socket)
  } catch (error) {
    console.log('cut:', error)
  }
}

// The far side: a web server, and an endpoint that leads each stream to it.
const web = createWebServer((request, response) => response.end(`you asked for ${request.url}`))
const webPort = await listen(web)
async function exit(connection: Connection): Promise<void> {
  for await (const stream of connection.incomingBi()) {
    void join(connect({ port: webPort, host: '127.0.0.1', allowHalfOpen: true }), stream)
  }
}
const router = Router.builder(await Endpoint.bind(LOOPBACK))
  .accept(ALPN, exit)
  .spawn()

// The near side: a port that leads each TCP connection to a stream.
const me = await Endpoint.bind(LOOPBACK)
const connection = await me.connect(router.endpoint.addr, ALPN)
const tunnels: Promise<unknown>[] = []
const entrance = createServer({ allowHalfOpen: true }, (socket) => {
  // What is on its way when a connection closes is lost. So wait until the peer has confirmed each stream to its end.
  tunnels.push(connection.openBi().then((stream) => Promise.all([join(socket, stream), stream.send.stopped])))
})
const port = await listen(entrance)

const answers = await Promise.all(
  ['sencha', 'oolong', 'assam'].map(async (tea) => {
    const response = await fetch(`http://127.0.0.1:${port}/${tea}`, { headers: { connection: 'close' } })
    return `${response.status}: ${await response.text()}`
  }),
)
for (const answer of answers) console.log(answer)
await Promise.all(tunnels)

entrance.close()
web.close()
connection.close()
await me.close()
await router.shutdown()
