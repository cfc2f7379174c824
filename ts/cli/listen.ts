// `gaiwan listen`: waits for one peer and joins its stream with stdin and stdout.
import { Readable } from 'node:stream'
import type { BiStream, Connection, Endpoint, Incoming } from '../index.js'
import type { Call } from './args.js'
import { copyBoth } from './copy.js'
import { endpointOf, greet, helloLimit, type Pipe, pipeOf, short } from './dumbpipe.js'
import { bytesText, type Output } from './output.js'

/** How long the dialer, which reads last, may take to close before we do. */
const GOODBYE_MS = 2_000

/** A peer and the stream that it opened. */
interface Met {
  readonly connection: Connection
  readonly stream: BiStream
}

/** Serves the first peer that opens a stream, and ends with it. Others are refused from then on. */
export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const pipe = pipeOf(call)
  const endpoint = await endpointOf(call, output, [pipe.alpn])
  try {
    const ticket = endpoint.ticket()
    output.report(
      { event: 'listening', id: endpoint.id, ticket, addresses: [...(endpoint.addr.addresses ?? [])] },
      'Listening. To connect, use:',
      `gaiwan connect ${ticket}`,
    )
    const { connection, stream } = await firstPeer(endpoint, pipe, output, signal)
    output.note({ event: 'connected', remoteId: connection.remoteId }, `Connected to ${short(connection.remoteId)}.`)
    const moved = await joinStdio(stream, call, output, signal)
    await goodbye(connection)
    output.note({ event: 'closed', ...moved }, closing(moved))
  } finally {
    await endpoint.close()
  }
}

/** Joins a stream with stdin and stdout, showing progress where it does not disturb. */
export async function joinStdio(stream: BiStream, call: Call, output: Output, signal: AbortSignal) {
  const from = call.flag('recv-only') ? Readable.from([]) : process.stdin
  const begun = performance.now()
  const moved = await copyBoth(
    stream,
    { from, to: process.stdout, abort: () => void from.destroy() },
    {
      signal,
      onMove: ({ sent, received }) =>
        output.progress(() => {
          const rate = (sent + received) / ((performance.now() - begun) / 1000)
          return `${bytesText(sent)} sent, ${bytesText(received)} received, ${bytesText(Math.round(rate))}/s`
        }),
    },
  )
  if (!moved.confirmed) output.note({ event: 'unconfirmed' }, 'The peer left without confirming the last bytes.')
  return moved
}

/** `5 B sent, 3.0 MB received.` */
export function closing({ sent, received }: { sent: number; received: number }): string {
  return `${bytesText(sent)} sent, ${bytesText(received)} received.`
}

/** The first attempt that gets as far as a greeted stream. A silent dialer holds up nobody: each attempt has its own task. */
async function firstPeer(endpoint: Endpoint, pipe: Pipe, output: Output, signal: AbortSignal): Promise<Met> {
  return await new Promise<Met>((resolve, reject) => {
    let taken = false
    const meet = async (incoming: Incoming): Promise<void> => {
      const met = await greeted(incoming, pipe, signal)
      if (met === null) return
      if (taken) return met.connection.close(0, 'somebody else was first')
      taken = true
      resolve(met)
    }
    const loop = async (): Promise<void> => {
      for (;;) {
        const incoming = await endpoint.accept({ signal })
        if (incoming === null) return
        if (taken) incoming.refuse()
        else meet(incoming).catch((error: unknown) => signal.aborted || output.warn(error))
      }
    }
    // After the first peer the promise is settled, and what ends the loop is the endpoint's close.
    loop().catch(reject)
  })
}

/** A finished handshake with a greeted stream; null if the peer closed before it opened one. */
async function greeted(incoming: Incoming, pipe: Pipe, signal: AbortSignal): Promise<Met | null> {
  const connection = await incoming.accept({ signal })
  try {
    const stream = await connection.acceptBi({ signal: helloLimit(signal) })
    if (stream === null) return null
    await greet(stream, pipe, signal)
    return { connection, stream }
  } catch (error) {
    connection.close(0, 'no pipe')
    throw error
  }
}

async function goodbye(connection: Connection): Promise<void> {
  const patience = new AbortController()
  const late = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, GOODBYE_MS)
    patience.signal.addEventListener('abort', () => clearTimeout(timer))
  })
  await Promise.race([connection.closed, late])
  patience.abort()
}
