// Messages that are too large and requests that nobody understands, against irpc 0.17, in both directions.
import test from 'ava'
import { Router } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'
import { peerFails } from './meeting.js'
import { Peer } from './peer.js'
import type { PeerConnection } from './peer-handles.js'
import { PeerClient } from './rpc-peer.js'
import { bind, callsRust, handlers, Notes, ourFault, rustCalls, rustServes, TEA_ALPN, Tea, Trouble, WrongTea } from './rpc-tea.js'

const TOO_LARGE = r.MAX_MESSAGE_BYTES + 1

test('a request over 16 MiB fails before Rust hears of it, and the connection lives', async (t) => {
  const { tea } = await callsRust(t)
  t.is(await tea.Get({ key: 'hello' }), 'world')
  t.deepEqual(await ourFault(t, tea.Set({ key: 'k', value: new Uint8Array(TOO_LARGE) })), { code: 'RPC_TOO_LARGE', method: 'Set' })
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('the largest request goes to Rust and is taken', async (t) => {
  const { server, tea } = await callsRust(t)
  const bytes = r.MAX_MESSAGE_BYTES - 7 // the index, the key and four bytes of count
  await tea.Set({ key: 'k', value: new Uint8Array(bytes) })
  t.is(await server.hears('Set'), `Set k ${bytes}`)
})

test('an item over 16 MiB, and one that cannot be serialised, are errors of the reference here', async (t) => {
  const { server, tea } = await callsRust(t)
  t.deepEqual(await ourFault(t, tea.Misbehave(Trouble.tooLarge).next()), { code: 'RPC_TOO_LARGE', method: 'Misbehave' })
  t.is(await server.hears('Misbehave 2'), 'Misbehave 2 Err("Maximum message size exceeded")')
  t.deepEqual(await ourFault(t, tea.Misbehave(Trouble.poison).next()), { code: 'RPC_ENCODE', method: 'Misbehave' })
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('a Rust request over its own limit costs one call', async (t) => {
  const { rust } = await rustCalls(t)
  const call = await rust.call('Set', { key: 'k', value: TOO_LARGE })
  t.is((await peerFails(t, call.next())).kind, 'rpc-too-large')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

test('an update of Rust over 16 MiB fails our loop over updates', async (t) => {
  const { rust, notes } = await rustCalls(t)
  const call = await rust.call('SetMany')
  await call.send(['a', '1'])
  // The reset that follows would void what is not read yet, the request too.
  t.is(await notes.hears('Row'), 'Row a')
  t.is((await peerFails(t, call.send(['b', 'x'.repeat(TOO_LARGE)]))).kind, 'rpc-too-large')
  t.is(await notes.hears('SetMany'), 'SetMany 1 RPC_TOO_LARGE')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

test('our answer or item over 16 MiB is an error at the Rust client, whose connection lives', async (t) => {
  const { rust, errors } = await rustCalls(t)
  t.is((await peerFails(t, rust.ask('Get', { key: 'large' }))).kind, 'rpc-io')
  t.is((await peerFails(t, rust.run('Misbehave', Trouble.tooLarge))).kind, 'rpc-io')
  t.deepEqual(
    errors.map((error) => error instanceof r.RpcError && error.code),
    ['RPC_TOO_LARGE', 'RPC_TOO_LARGE'],
  )
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

/** Sends bytes and FIN on a new stream; all that comes back. Bars are for the eye. */
async function answer(connection: PeerConnection, hex: string): Promise<string> {
  const { send, recv } = await connection.openBi()
  if (hex !== '') await send.write(Buffer.from(hex.replaceAll('|', ''), 'hex'))
  await send.finish()
  return Buffer.from(await recv.readBytes()).toString('hex')
}

test('a request over a lower limit of ours costs one call', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  const Small = r.service({ ...Tea.methods, Set: Tea.methods.Set.limit({ maxRequestBytes: 1_000 }) })
  const router = Router.builder(endpoint)
    .accept(TEA_ALPN, r.serve(Small, handlers(new Notes()), { onError: () => {} }))
    .spawn()
  t.teardown(() => router.shutdown())
  const rust = await PeerClient.dial(peer, there, endpoint.addr, 'tea')
  t.is(await rust.ask('Set', { key: 'k', value: 995 }), null) // 1,000 with the index, the key and two bytes of count
  const call = await rust.call('Set', { key: 'k', value: 996 })
  t.is((await peerFails(t, call.next())).kind, 'rpc-io')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

/** The rows `refused` of vectors/rpc.json and more like them, with the mark that rpc.md 2.2 and 2.3 ask for. */
const BAD = [
  { name: 'an unknown variant', hex: '01|63', mark: '91' },
  { name: 'a request cut short', hex: '07|000568', mark: '91' },
  { name: 'an empty stream', hex: '', mark: '91' },
  { name: 'text that is not UTF-8', hex: '04|0002c328', mark: '91' },
  { name: 'a prefix of eleven bytes', hex: '8080808080808080808000', mark: '91' },
  { name: 'a prefix over 16 MiB', hex: '81808008', mark: '81' },
]

for (const { name, hex, mark } of BAD) {
  test(`${name} costs its own stream: the Rust client on that connection is answered`, async (t) => {
    const { rust, notes, connection } = await rustCalls(t)
    const pending = await rust.call('Get', { key: 'never' })
    await notes.hears('Get never')
    t.is(await answer(connection, hex), mark)
    t.is(await rust.ask('Get', { key: 'hello' }), 'world')
    t.is(await answer(connection, '07|000568656c6c6f'), '070105776f726c64')
    await pending.drop()
    t.is(await notes.hears('Get never'), 'Get never aborted')
  })
}

test('a Rust client goes on after fifteen bad requests of its connection; too many close it with code 2', async (t) => {
  const { rust, connection } = await rustCalls(t)
  for (let n = 0; n < 15; n++) t.is(await answer(connection, '01|63'), '91')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
  const closed = connection.closed()
  let over = false
  while (!over)
    over = await answer(connection, '01|63').then(
      () => false,
      () => true,
    )
  t.like(await closed, { kind: 'remote', code: 2n })
})

test('a silent stream and a half-sent request do not keep a Rust client from its answers', async (t) => {
  const { rust, connection } = await rustCalls(t, { requestTimeoutMs: 60_000 })
  const half = await connection.openBi()
  await half.send.write(Buffer.from('07000568', 'hex'))
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
  await half.send.write(Buffer.from('656c6c6f', 'hex'))
  await half.send.finish()
  t.is(Buffer.from(await half.recv.readBytes()).toString('hex'), '070105776f726c64')
})

test('our client dials again when the loop of a Rust server has died', async (t) => {
  const { server, endpoint } = await rustServes(t)
  const tea = r.client(WrongTea, endpoint, server.addr, TEA_ALPN)
  t.teardown(() => tea.close())
  t.is(await tea.Get({ key: 'hello' }), 'world')
  const { code, method } = await ourFault(t, tea.Coffee())
  t.is(method, 'Coffee')
  // Rust lets go of the stream, which ends it, and then of the connection: its end can leave before the close.
  t.true(['CONNECTION_CLOSED', 'RPC_NO_RESPONSE'].includes(code), code)
  t.is(await tea.Get({ key: 'hello' }), 'world')
})
