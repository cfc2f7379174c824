// `gaiwan chat ROOM`: lines of stdin to everybody in a room, theirs to stdout.
import { createInterface } from 'node:readline'
import { ALPN, Gossip, type GossipEvent, type Topic } from '../../gossip/index.js'
import { type Endpoint, GaiwanError, Router } from '../../index.js'
import { type Call, wrong } from '../args.js'
import { endpointOf, short, ticketOf } from '../dumbpipe.js'
import { interruption } from '../listen-tcp.js'
import type { Output } from '../output.js'
import { Listener, MAX_NAME, printable, sign } from './message.js'

/** Speaks and listens until stdin ends. With `--join` nothing is said before somebody is near. */
export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const [room = ''] = call.operands
  const bootstrap = call.texts('join').map((text) => ticketOf(call, text))
  const name = nameOf(call)
  const endpoint = await endpointOf(call, output)
  const gossip = new Gossip(endpoint)
  const router = Router.builder(endpoint).accept(ALPN, gossip).spawn()
  try {
    const topic = await gossip.subscribe(room, bootstrap)
    const { id } = endpoint
    output.report(
      { event: 'listening', id, topic: topic.id, ticket: endpoint.ticket(), addresses: [...(endpoint.addr.addresses ?? [])] },
      `In the room as ${name === null ? short(id) : `${name} (${short(id)})`}. Others join with:`,
      `gaiwan chat ${quoted(room)} --join ${endpoint.ticket()}`,
    )
    if (bootstrap.length > 0) await topic.joined({ signal })
    const heard = hear(topic, output)
    await Promise.race([speak(topic, endpoint, name, output, signal), interruption(signal), heard])
    await topic.close()
    await heard
    output.note({ event: 'left' }, 'You left.')
  } finally {
    await router.shutdown()
  }
}

/** @throws {UsageError} a name that is too long or has something that is no letter in it. */
function nameOf(call: Call): string | null {
  const name = call.text('name')
  if (name === undefined) return null
  if (name.length === 0 || name.length > MAX_NAME || printable(name) !== name) {
    throw wrong(call.command, `--name takes 1 to ${MAX_NAME} characters`)
  }
  return name
}

/** Sends each line; resolves when there are no more. */
async function speak(topic: Topic, endpoint: Endpoint, name: string | null, output: Output, signal: AbortSignal): Promise<void> {
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })
  signal.addEventListener('abort', () => lines.close(), { once: true })
  for await (const text of lines) {
    if (text === '') continue
    try {
      const neighbors = await topic.broadcast(sign(endpoint.secretKey, topic.id, name, text))
      output.note({ event: 'sent', neighbors }, neighbors === 0 ? 'Nobody is near to hear that.' : `Sent to ${neighbors}.`)
    } catch (error) {
      if (!GaiwanError.is(error, 'MESSAGE_TOO_LARGE')) throw error
      output.warn(error)
    }
  }
}

/** Tells what happens in the room until the topic is closed. */
async function hear(topic: Topic, output: Output): Promise<void> {
  const listener = new Listener(topic.id)
  for await (const event of topic) tell(event, listener, output)
}

function tell(event: GossipEvent, listener: Listener, output: Output): void {
  switch (event.type) {
    case 'neighborUp':
      output.tell({ event: 'neighborUp', id: event.endpointId }, `* ${short(event.endpointId)} is near`)
      break
    case 'neighborDown':
      output.tell(
        { event: 'neighborDown', id: event.endpointId, reason: event.reason },
        `* ${short(event.endpointId)} is no longer near (${event.reason})`,
      )
      break
    case 'lagged':
      output.tell({ event: 'lagged', missed: event.missed }, `* ${event.missed} messages were missed`)
      break
    case 'received': {
      const said = listener.hear(event.content)
      if (typeof said === 'string') {
        output.tell({ event: 'ignored', reason: said, by: event.from }, `* something ${said} came by way of ${short(event.from)}`)
        break
      }
      const { from, name, at, text } = said
      const who = name === null ? short(from) : `${printable(name)} (${short(from)})`
      output.report({ event: 'message', from, name, at, text }, `${who}: ${printable(text)}`)
    }
  }
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
