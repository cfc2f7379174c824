// `gaiwan listen-tcp --host HOST:PORT`: every stream of a peer becomes a TCP connection to one local service.
import { type BiStream, type Connection, Router } from '../index.js'
import type { Call } from './args.js'
import { endpointOf, greet, helloLimit, type Pipe, pipeOf, short } from './dumbpipe.js'
import { closing } from './listen.js'
import type { Output } from './output.js'
import { dialTcp, type HostPort, hostPortOf, hostPortText, joinSocket } from './tcp.js'

/** Serves until interrupted. A stream that fails is reported; the others go on. */
export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const pipe = pipeOf(call)
  const host = hostPortOf(call, 'host')
  const endpoint = await endpointOf(call, output)
  const router = Router.builder(endpoint)
    .accept(pipe.alpn, (connection) => serve(connection, { pipe, host, output, signal }))
    .spawn()
  try {
    const ticket = endpoint.ticket()
    output.report(
      { event: 'listening', id: endpoint.id, ticket, addresses: [...(endpoint.addr.addresses ?? [])], host: hostPortText(host) },
      `Forwarding streams to ${hostPortText(host)}. To connect, use e.g.:`,
      `gaiwan connect-tcp --addr 127.0.0.1:0 ${ticket}`,
    )
    await interruption(signal)
  } finally {
    await router.shutdown()
  }
}

interface Service {
  readonly pipe: Pipe
  readonly host: HostPort
  readonly output: Output
  readonly signal: AbortSignal
}

/** Lives as long as the connection: dumbpipe opens one stream on each, others may open more. */
async function serve(connection: Connection, service: Service): Promise<void> {
  const { output, signal } = service
  const peer = connection.remoteId
  output.note({ event: 'connected', remoteId: peer }, `${short(peer)} connected.`)
  const streams = new Set<Promise<void>>()
  try {
    // Who connects and opens nothing is sent away; after the first stream the peer decides how long it stays.
    let limit = helloLimit(signal)
    for (;;) {
      const stream = await connection.acceptBi({ signal: limit })
      if (stream === null) break
      limit = signal
      const task = forward(stream, connection, service).catch((error: unknown) => {
        if (!signal.aborted) output.warn(error)
      })
      streams.add(task)
      void task.then(() => streams.delete(task))
    }
  } catch (error) {
    if (!signal.aborted) output.warn(error)
  }
  await Promise.all(streams)
}

async function forward(stream: BiStream, { remoteId }: Connection, { pipe, host, output, signal }: Service): Promise<void> {
  try {
    await greet(stream, pipe, signal)
    const socket = await dialTcp(host, signal)
    const moved = await joinSocket(stream, socket, signal)
    output.note({ event: 'forwarded', remoteId, ...moved }, `${short(remoteId)}: ${closing(moved)}`)
  } catch (error) {
    stream.send.reset(0)
    stream.recv.stop(0)
    throw error
  }
}

/** Resolves when the user or the system asks the program to end. */
export function interruption(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
