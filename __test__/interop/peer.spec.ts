// The peer against itself: what a test says of gaiwan is worth as much as the peer it is measured by.
import { randomBytes } from 'node:crypto'
import test from 'ava'
import { Peer, PeerError } from './peer.js'
import type { PeerConnection, PeerRecv } from './peer-handles.js'

const ALPN = 'interop/peer/1'

async function pair(t: Parameters<typeof Peer.start>[0]): Promise<{ dialer: PeerConnection; acceptor: PeerConnection }> {
  const [here, there] = await Promise.all([Peer.start(t), Peer.start(t)])
  const [from, to] = await Promise.all([here.bind(), there.bind({ alpns: [ALPN] })])
  await to.accept()
  const [dialer, acceptor] = await Promise.all([from.connect(to.addr, ALPN), to.nextConnection()])
  t.is(dialer.remoteId, to.id)
  t.is(acceptor.remoteId, from.id)
  return { dialer, acceptor }
}

test('two peers agree on streams, codes, datagrams, keys and the end', async (t) => {
  const { dialer, acceptor } = await pair(t)

  const out = await dialer.openBi()
  const sent = await out.send.writePattern(100_000, 3)
  await out.send.finish()
  const back = await acceptor.acceptBi()
  t.deepEqual(await back.recv.readToEnd(), sent)
  await back.send.reset(2n ** 62n - 1n)
  const error = await t.throwsAsync(out.recv.read(), { instanceOf: PeerError })
  t.is(error?.kind, 'stream-reset')
  t.is(error?.code, 2n ** 62n - 1n)

  await dialer.sendDatagram(Buffer.from('tea'))
  t.is(Buffer.from(await acceptor.readDatagram()).toString(), 'tea')
  t.is(await dialer.exportKeyingMaterial('label', 'context', 32), await acceptor.exportKeyingMaterial('label', 'context', 32))

  await dialer.close(7, 'enough')
  t.deepEqual(await acceptor.closed(), { kind: 'remote', code: 7n, reason: 'enough' })
  t.is((await dialer.closed()).kind, 'local')
})

test('a reset cuts off a write that waits for credit', async (t) => {
  const { dialer } = await pair(t)
  const send = await dialer.openUni()
  const write = t.throwsAsync(send.writePattern(16 * 1024 * 1024, 0), { instanceOf: PeerError })
  await send.reset(5)
  t.is((await write)?.kind, 'stream-closed')
})

test('a second visit is early, a restarted acceptor takes no early data', async (t) => {
  const peer = await Peer.start(t)
  const secretKey = randomBytes(32).toString('hex')
  const dialer = await peer.bind()
  let acceptor = await peer.bind({ secretKey, alpns: [ALPN] })
  await acceptor.accept({ serve: 'echo' })
  // `asked` runs between the question and the handshake of a dial that has a ticket.
  const visit = async (asked?: () => Promise<void>): Promise<{ attempted: boolean; accepted: boolean | null }> => {
    const connection = await dialer.connect(acceptor.addr, ALPN, { early: true })
    const ask = async (): Promise<PeerRecv> => {
      const { send, recv } = await connection.openBi()
      await send.write('tea?')
      await send.finish()
      return recv
    }
    let answer = await ask()
    await asked?.()
    const { accepted } = await connection.handshake()
    if (connection.attempted && !accepted) {
      t.is((await t.throwsAsync(answer.readText(), { instanceOf: PeerError }))?.kind, 'early-rejected')
      answer = await ask()
    }
    t.is(await answer.readText(), 'tea?')
    await connection.close()
    return { attempted: connection.attempted, accepted }
  }
  t.deepEqual(await visit(), { attempted: false, accepted: false })
  t.deepEqual(await visit(), { attempted: true, accepted: true })
  t.deepEqual(await visit(), { attempted: true, accepted: true })
  await acceptor.close()
  acceptor = await peer.bind({ secretKey, alpns: [ALPN] })
  t.deepEqual(await visit(() => acceptor.accept({ serve: 'echo' })), { attempted: true, accepted: false })
})

test('a refused dial, a wrong key and an unknown ALPN have their codes', async (t) => {
  const peer = await Peer.start(t)
  const [dialer, acceptor, stranger] = await Promise.all([peer.bind(), peer.bind({ alpns: [ALPN] }), peer.bind()])
  const dial = async (id: string, alpn: string): Promise<unknown> => {
    const error = await t.throwsAsync(dialer.connect({ id, addresses: [acceptor.address] }, alpn), { instanceOf: PeerError })
    return [error?.kind, error?.code]
  }
  await acceptor.accept({ verdict: 'refuse' })
  t.deepEqual(await dial(acceptor.id, ALPN), ['transport-remote', 2n])
  await acceptor.accept()
  t.deepEqual(await dial(acceptor.id, 'another'), ['transport-remote', 0x178n])
  t.deepEqual(await dial(stranger.id, ALPN), ['transport-local', 0x130n])
})
