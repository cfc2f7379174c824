// `gaiwan connect-tcp --addr HOST:PORT TICKET`: every TCP connection to a local address becomes a stream to the peer.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Endpoint, EndpointAddr } from '../index.js'
import type { Call } from './args.js'
import { endpointOf, openPipe, type Pipe, pipeOf, short, ticketOf } from './dumbpipe.js'
import { closing } from './listen.js'
import { interruption } from './listen-tcp.js'
import type { Output } from './output.js'
import { type HostPort, hostPortOf, hostPortText, joinSocket } from './tcp.js'

/** Serves until interrupted. Each TCP connection dials on its own, since dumbpipe takes one stream a connection. */
export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const pipe = pipeOf(call)
  const addr = hostPortOf(call, 'addr')
  const to = ticketOf(call, call.operands[0]!)
  const endpoint = await endpointOf(call, output)
  const tasks = new Set<Promise<void>>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const task = tunnel(socket, { endpoint, to, pipe, output, signal })
    tasks.add(task)
    void task.then(() => tasks.delete(task))
  })
  try {
    const at = await listenAt(server, addr)
    const address = hostPortText({ host: at.address, port: at.port })
    output.report({ event: 'listening', address, remoteId: to.id }, `Listening at ${address}, forwarding to ${short(to.id)}.`)
    await interruption(signal)
  } finally {
    server.close()
    await Promise.all(tasks)
    await endpoint.close()
  }
}

interface Tunnel {
  readonly endpoint: Endpoint
  readonly to: EndpointAddr
  readonly pipe: Pipe
  readonly output: Output
  readonly signal: AbortSignal
}

/** Carries one TCP connection; a failure is reported and resets the socket. Never rejects. */
async function tunnel(socket: Socket, { endpoint, to, pipe, output, signal }: Tunnel): Promise<void> {
  // Without a listener an error of the socket during the dial would end the process.
  socket.on('error', () => {})
  try {
    const { connection, stream } = await openPipe(endpoint, to, pipe, signal)
    try {
      output.note({ event: 'connected', remoteId: connection.remoteId }, `Connected to ${short(connection.remoteId)}.`)
      const moved = await joinSocket(stream, socket, signal)
      output.note({ event: 'forwarded', remoteId: connection.remoteId, ...moved }, closing(moved))
    } finally {
      connection.close()
    }
  } catch (error) {
    socket.resetAndDestroy()
    if (!signal.aborted) output.warn(error)
  }
}

async function listenAt(server: Server, { host, port }: HostPort): Promise<AddressInfo> {
  server.listen({ host, port })
  await once(server, 'listening')
  return server.address() as AddressInfo
}
