// The rows of vectors/rpc.json that any server must answer alike, sent by the reference's streams to it and to us.
import { readFileSync } from 'node:fs'
import test from 'ava'
import { Peer } from './peer.js'
import type { PeerConnection } from './peer-handles.js'
import { PeerServer } from './rpc-peer.js'
import { rustCalls, TEA_ALPN } from './rpc-tea.js'

interface Row {
  readonly name: string
  readonly clientBytes: string
  readonly clientEnd: string
  readonly serverBytes: string
  readonly serverEnd: string
  readonly clientStopsResponse: string
}

const { server } = JSON.parse(readFileSync(new URL('../../vectors/rpc.json', import.meta.url), 'utf8')) as { server: readonly Row[] }

/** Without faults on either side: whole requests and updates, and an answer that ends well. */
const ROWS = server.filter(
  ({ name, clientEnd, serverEnd, clientStopsResponse }) =>
    clientEnd === 'fin' &&
    serverEnd === 'fin' &&
    clientStopsResponse === 'none' &&
    !/^(?:refused|blocked|tenth)|abort mark|undecodable|reset|drops/.test(name),
)

/** Sends a row's bytes and FIN; what comes back. */
async function play(connection: PeerConnection, { clientBytes }: Row): Promise<string> {
  const { send, recv } = await connection.openBi()
  await send.write(Buffer.from(clientBytes, 'hex'))
  await send.finish()
  return Buffer.from(await recv.readBytes()).toString('hex')
}

test('there are rows of every pattern', (t) => {
  for (const word of ['unary', 'server stream', 'client stream', 'bidi', 'notify', 'single update', 'accepted']) {
    t.true(
      ROWS.some(({ name }) => name.startsWith(word)),
      word,
    )
  }
})

test('the Rust peer answers as the vectors say, so its service is theirs', async (t) => {
  const peer = await Peer.start(t)
  const [rust, there] = await Promise.all([PeerServer.start(peer), peer.bind()])
  const connection = await there.connect(rust.addr, TEA_ALPN)
  for (const row of ROWS) t.is(await play(connection, row), row.serverBytes, row.name)
})

test('we answer as the vectors say', async (t) => {
  const { connection } = await rustCalls(t)
  for (const row of ROWS) t.is(await play(connection, row), row.serverBytes, row.name)
})
