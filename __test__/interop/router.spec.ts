// A gaiwan Router behind iroh dialers: routing by ALPN, and the codes that handlers give.
import test from 'ava'
import { type Connection, GaiwanError, Router } from '../../ts/index.js'
import { bind, peerFails } from './meeting.js'
import { Peer } from './peer.js'

/** Sends every byte back on the stream it came from. */
async function echo(connection: Connection): Promise<void> {
  for await (const { send, recv } of connection.incomingBi()) {
    for await (const chunk of recv) await send.write(chunk)
    await send.finish()
  }
}

test('iroh dialers reach the handler of their ALPN, in the order of registration', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t, { alpns: [] }), peer.bind()])
  const router = Router.builder(endpoint)
    .accept('echo/2', echo)
    .accept('hello/1', async (connection) => {
      const send = await connection.openUni()
      await send.write(`hello, ${connection.remoteId}`)
      await send.finish()
      await connection.closed
    })
    .accept('echo/1', echo)
    .spawn()
  t.teardown(() => router.shutdown())

  const echoed = await there.connect(endpoint.addr, ['echo/1', 'echo/2'])
  t.is(echoed.alpn, 'echo/2')
  const { send, recv } = await echoed.openBi()
  const sent = await send.writePattern(1_000_000, 4)
  await send.finish()
  t.deepEqual(await recv.readToEnd(), sent)

  const greeted = await there.connect(endpoint.addr, 'hello/1')
  t.is(await (await greeted.acceptUni()).readText(), `hello, ${there.id}`)
  t.deepEqual(await peerFails(t, there.connect(endpoint.addr, 'nobody/1')), { kind: 'transport-remote', code: 0x178n })
})

test('how a handler ends is what iroh sees: its code, 0 without one, 0 after success', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t, { alpns: [] }), peer.bind()])
  const router = Router.builder(endpoint)
    .accept('code/1', async () => {
      throw new GaiwanError('PROTOCOL_VIOLATION', 'not like this', { applicationCode: 77 })
    })
    .accept('plain/1', async () => {
      throw new Error('a secret of ours')
    })
    .accept('done/1', async () => {})
    .accept('closes/1', (connection) => connection.close(9, 'by hand'))
    .spawn()
  t.teardown(() => router.shutdown())
  const ending = async (alpn: string): Promise<unknown> => (await there.connect(endpoint.addr, alpn)).closed()
  t.deepEqual(await ending('code/1'), { kind: 'remote', code: 77n, reason: '' })
  t.deepEqual(await ending('plain/1'), { kind: 'remote', code: 0n, reason: '' })
  t.deepEqual(await ending('done/1'), { kind: 'remote', code: 0n, reason: '' })
  t.deepEqual(await ending('closes/1'), { kind: 'remote', code: 9n, reason: 'by hand' })
})

test('a filter refuses, retries and accepts iroh dialers before their handshake', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t, { alpns: [] }), peer.bind()])
  const validated: boolean[] = []
  let open = false
  const router = Router.builder(endpoint)
    .accept('echo/1', echo)
    .filter((incoming) => {
      validated.push(incoming.addressValidated)
      if (!open) return 'refuse'
      return incoming.addressValidated ? 'accept' : 'retry'
    })
    .spawn()
  t.teardown(() => router.shutdown())
  t.deepEqual(await peerFails(t, there.connect(endpoint.addr, 'echo/1')), { kind: 'transport-remote', code: 2n })
  open = true
  const connection = await there.connect(endpoint.addr, 'echo/1')
  t.is(connection.remoteId, endpoint.id)
  // One more without a proven address for each Initial that iroh sent again before the answer to it came.
  t.true(validated.length >= 3)
  t.is(validated.indexOf(true), validated.length - 1)
})

test('a shutdown runs the handler, then closes iroh with code 0; a second one waits for the first', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t, { alpns: [] }), peer.bind()])
  const steps: string[] = []
  const router = Router.builder(endpoint)
    .accept('echo/1', {
      accept: echo,
      shutdown: () => {
        steps.push(endpoint.isClosed ? 'shutdown too late' : 'shutdown')
      },
    })
    .spawn()
  const connection = await there.connect(endpoint.addr, 'echo/1')
  // Once the handler answers, the handshake is done here too.
  const { send, recv } = await connection.openBi()
  await send.write('tea')
  await send.finish()
  t.is(await recv.readText(), 'tea')
  const closed = connection.closed().then((end) => {
    steps.push('closed')
    return end
  })
  await Promise.all([router.shutdown(), router.shutdown()])
  const end = await closed
  t.deepEqual([end.kind, end.code], ['remote', 0n])
  t.deepEqual(steps, ['shutdown', 'closed'])
  t.true(router.isShutdown)
  t.true(endpoint.isClosed)
})
