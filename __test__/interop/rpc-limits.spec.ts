// Messages that are too large and requests that nobody understands, against irpc 0.17, in both directions.
import test from 'ava'
import { Router } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'
import { peerFails } from './meeting.js'
import type { PeerConnection } from './peer-handles.js'
import { callsRust, handlers, rustCalls, rustServes, Tea, TEA_ALPN, Trouble, WrongTea } from './rpc-tea.js'

const TOO_LARGE = r.MAX_MESSAGE_BYTES + 1

test('a request over 16 MiB fails before Rust hears of it, and the connection lives', async (t) => {
  const { tea } = await callsRust(t)
  t.is(await tea.Get({ key: 'hello' }), 'world')
  const error = await t.throwsAsync(tea.Set({ key: 'k', value: new Uint8Array(TOO_LARGE) }), { instanceOf: r.RpcError })
  t.is(error?.code, 'RPC_TOO_LARGE')
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('the largest request and the largest item go to Rust and are taken', async (t) => {
  const { server, tea } = await callsRust(t)
  const bytes = r.MAX_MESSAGE_BYTES - 7 // the index, the key and four bytes of count
  await tea.Set({ key: 'k', value: new Uint8Array(bytes) })
  t.is(await server.hears('Set'), `Set k ${bytes}`)
})

test('an item over 16 MiB, and one that cannot be serialised, are errors of the reference here', async (t) => {
  const { server, tea } = await callsRust(t)
  const large = await t.throwsAsync(tea.Misbehave(Trouble.tooLarge).next(), { instanceOf: r.RpcError })
  t.is(large?.code, 'RPC_TOO_LARGE')
  t.is(await server.hears('Misbehave 2'), 'Misbehave 2 Err("Maximum message size exceeded")')
  const poison = await t.throwsAsync(tea.Misbehave(Trouble.poison).next(), { instanceOf: r.RpcError })
  t.is(poison?.code, 'RPC_ENCODE')
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
  t.is((await peerFails(t, call.send(['b', 'x'.repeat(TOO_LARGE)]))).kind, 'rpc-too-large')
  t.regex(await notes.hears('SetMany'), /^SetMany [01] RPC_TOO_LARGE$/)
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

test('a Rust request over a lower limit of ours costs one call', async (t) => {
  const { peer, notes, router } = await rustCalls(t)
  const Small = r.service({ ...Tea.methods, Set: Tea.methods.Set.limit({ maxRequestBytes: 1_000 }) })
  const endpoint = router.endpoint
  const small = Router.builder(endpoint).accept('small/1', r.serve(Small, handlers(notes), { onError: () => {} })).spawn()
  t.teardown(() => small.shutdown())
  const there = await peer.bind()
  const connection = await there.connect(endpoint.addr, 'small/1')
  t.is(await answer(connection, `05|01016b0100`), '00')
  t.is(await answer(connection, `e907|01016b${'00'.repeat(998)}`), '81')
  t.is(await answer(connection, '07|000568656c6c6f'), '070105776f726c64')
})

/** Sends bytes and FIN on a new stream; all that comes back, in hex. The bar is for the eye. */
async function answer(connection: PeerConnection, hex: string): Promise<string> {
  const { send, recv } = await connection.openBi()
  await send.write(Buffer.from(hex.replace('|', ''), 'hex'))
  await send.finish()
  return Buffer.from(await recv.readText(), 'utf8').toString('hex')
}

/** By rpc.md 2.2.2 and 2.3: the mark of code 17, or of 1. Of the rows `refused` in vectors/rpc.json. */
const BAD = [
  { name: 'an unknown variant', hex: '01|63', code: 17 },
  { name: 'a request cut short', hex: '07|000568', code: 17 },
  { name: 'an empty stream', hex: '', code: 17 },
  { name: 'text that is not UTF-8', hex: '04|0002c328', code: 17 },
  { name: 'a prefix of eleven bytes', hex: '8080808080808080808000', code: 17 },
  { name: 'a prefix over 16 MiB', hex: '81808008', code: 1 },
]

for (const { name, hex, code } of BAD) {
  test(`${name} costs its stream alone: the Rust client on that connection is answered`, async (t) => {
    const { rust, connection } = await rustCalls(t)
    const pending = await rust.call('Get', { key: 'never' })
    const { send, recv } = await connection.openBi()
    if (hex !== '') await send.write(Buffer.from(hex.replace('|', ''), 'hex'))
    await send.finish()
    t.is(await byte(recv), 0x80 | code)
    t.is(await rust.ask('Get', { key: 'hello' }), 'world')
    await pending.drop()
    t.is(await rust.ask('Get', { key: 'hello' }), 'world')
  })
}

/** The one byte that a receiving half gives before its end. */
async function byte(recv: { readToEnd(): Promise<{ bytes: number; sha256: string }> }): Promise<number> {
  const { bytes, sha256 } = await recv.readToEnd()
  if (bytes !== 1) throw new Error(`${bytes} bytes came`)
  const hashes = Array.from({ length: 256 }, (_, value) => createHash('sha256').update(Uint8Array.of(value)).digest('hex'))
  return hashes.indexOf(sha256)
}
