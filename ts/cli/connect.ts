// `gaiwan connect TICKET`: dials a listening peer and joins the stream with stdin and stdout.
import type { Call } from './args.js'
import { endpointOf, openPipe, pipeOf, short, ticketOf } from './dumbpipe.js'
import { closing, joinStdio } from './listen.js'
import type { Output } from './output.js'

/** Dials once. Ends when both sides have sent all they had. */
export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const pipe = pipeOf(call)
  const to = ticketOf(call, call.operands[0]!)
  const endpoint = await endpointOf(call, output)
  try {
    const { connection, stream } = await openPipe(endpoint, to, pipe, signal)
    output.note({ event: 'connected', remoteId: connection.remoteId }, `Connected to ${short(connection.remoteId)}.`)
    const moved = await joinStdio(stream, call, output, signal)
    output.note({ event: 'closed', ...moved }, closing(moved))
  } finally {
    await endpoint.close()
  }
}
