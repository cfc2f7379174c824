// The pipe protocol against the real iroh crates: the steps of dumbpipe 0.39 (`src/main.rs`), driven one by one.
import test from 'ava'
import { EndpointTicket } from '../../ts/index.js'
import { Peer } from '../interop/peer.js'
import { Command, LOOPBACK } from './command.js'

const ALPN = 'DUMBPIPEV0'

test('iroh connects to listen as dumbpipe does', async (t) => {
  const peer = await Peer.start(t)
  const there = await peer.bind()
  const listen = Command.start(t, ['listen', ...LOOPBACK, '--json'])
  const connection = await there.connect(decoded(await listen.ticket()), ALPN)
  const { send, recv } = await connection.openBi()
  await send.write('hello')
  await send.write('from iroh')
  await send.finish()
  listen.stdin.end('from gaiwan')
  t.is(await recv.readText(), 'from gaiwan')
  // A close takes away what has not arrived.
  t.is(await send.stopped(), null)
  await connection.close()
  const { status, stdout } = await listen.ended
  t.is(status, 0)
  t.is(stdout.toString(), 'from iroh')
})

test('connect reaches an iroh endpoint that listens as dumbpipe does', async (t) => {
  const peer = await Peer.start(t)
  const there = await peer.bind({ alpns: [ALPN] })
  await there.accept({ serve: 'hold' })
  const connect = Command.start(t, ['connect', ...LOOPBACK, EndpointTicket.encode(there.addr)])
  const connection = await there.nextConnection()
  const { send, recv } = await connection.acceptBi()
  connect.stdin.end('from gaiwan')
  t.is(await recv.readText(), 'hellofrom gaiwan')
  await send.write('from iroh')
  await send.finish()
  const { status, stdout } = await connect.ended
  t.is(status, 0)
  t.is(stdout.toString(), 'from iroh')
})

test('an iroh peer that vanishes without confirming does not hold up a finished pipe', async (t) => {
  const peer = await Peer.start(t)
  const there = await peer.bind()
  const listen = Command.start(t, ['listen', ...LOOPBACK, '--json'])
  const connection = await there.connect(decoded(await listen.ticket()), ALPN)
  const { send } = await connection.openBi()
  await send.write('hello')
  await send.write('last words')
  await send.finish()
  await listen.until(({ stdout }) => (stdout === 'last words' ? true : undefined))
  // The end of them too.
  t.is(await send.stopped(), null)
  await peer.kill()
  listen.stdin.end('too late')
  await listen.event('unconfirmed')
  const { status } = await listen.ended
  t.is(status, 0)
})

function decoded(ticket: string): { id: string; addresses: readonly string[] } {
  const { id, addresses = [] } = EndpointTicket.decode(ticket)
  return { id, addresses }
}
