import test from 'ava'
import { type Connection, Endpoint, type EndpointOptions, GaiwanError, SecretKey } from '../../ts/index.js'
import { ALPN, acceptOne, endpointPair, type EndpointPair, LOOPBACK, text } from '../helpers/pair.js'

const code = (code: string) => ({ instanceOf: GaiwanError, code }) as const

/** Answers every bi stream of every connection. */
async function echo(acceptor: Endpoint): Promise<void> {
  for await (const incoming of acceptor) {
    void incoming.accept().then(
      async (connection: Connection) => {
        for await (const { send, recv } of connection.incomingBi()) {
          await send.write(await recv.readToEnd(100))
          await send.finish()
        }
      },
      () => {},
    )
  }
}

/** A first connection, so that the dialer has a ticket. */
async function ticket({ dialer, acceptor }: EndpointPair): Promise<void> {
  const connection = await dialer.connect(acceptor.addr, ALPN)
  const { send, recv } = await connection.openBi()
  await send.finish()
  await recv.readToEnd(1)
  connection.close()
}

async function ask(opener: Pick<Connection, 'openBi'>, question: string): Promise<string | null> {
  const { send, recv } = await opener.openBi()
  await send.write(question)
  await send.finish()
  return text(await recv.readToEnd(100))
}

test('without a ticket it is an ordinary connection', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  void echo(acceptor)
  const early = await dialer.connectEarly(acceptor.addr, ALPN)
  t.false(early.attempted)
  t.false(await early.accepted)
  t.is(early.remoteId, acceptor.id)
  t.is(await ask(early, 'tea'), 'tea')
  const connection = await early.handshake()
  t.is(connection.remoteId, acceptor.id)
  t.is(await early.handshake(), connection)
})

test('with a ticket the second and third connect send early data', async (t) => {
  const pair = await endpointPair(t)
  void echo(pair.acceptor)
  await ticket(pair)
  for (const question of ['second', 'third']) {
    const early = await pair.dialer.connectEarly(pair.acceptor.addr, ALPN)
    t.true(early.attempted)
    const answer = ask(early, question)
    t.true(await early.accepted)
    t.is(await answer, question)
    const connection = await early.handshake()
    t.is(connection.alpn, ALPN)
    t.is(connection.side, 'client')
    t.is(await ask(connection, 'more'), 'more')
    early.close(3, 'done')
    t.is((await connection.closed).code, 3n)
  }
  t.is(pair.dialer.metrics()['quic_early_accepted'], 2)
})

test('rejected early data kills its streams, and asking again on new ones works', async (t) => {
  const secretKey = SecretKey.generate()
  const options: EndpointOptions = { secretKey, alpns: [ALPN], closeTimeoutMs: 1_000 }
  const first = await Endpoint.bind({ ...options, bind: LOOPBACK })
  const { dialer } = await endpointPair(t)
  void echo(first)
  await ticket({ dialer, acceptor: first })
  await first.close()
  // The ticket belongs to the id, so any free port will do.
  const restarted = await Endpoint.bind({ ...options, bind: LOOPBACK })
  t.teardown(() => restarted.close())
  const early = await dialer.connectEarly(restarted.addr, ALPN)
  t.true(early.attempted)
  const lost = await early.openBi()
  await lost.send.write('lost')
  await lost.send.finish()
  const failed = t.throwsAsync(lost.recv.readToEnd(100), code('EARLY_DATA_REJECTED'))
  // Not before, or the handshake could be done and the stream a new one.
  void echo(restarted)
  t.false(await early.accepted)
  await failed
  t.is(await ask(early, 'again'), 'again')
  t.is(dialer.metrics()['quic_early_rejected'], 1)
  ;(await early.handshake()).close()
})

test('an acceptor can read early data before it knows the peer', async (t) => {
  const pair = await endpointPair(t)
  const { dialer, acceptor } = pair
  const serving = (async () => {
    const server = await acceptOne(acceptor)
    const stream = await server.acceptBi()
    await stream!.recv.readToEnd(1)
    await stream!.send.finish()
    await server.closed
  })()
  await ticket(pair)
  await serving
  const dialing = dialer.connectEarly(acceptor.addr, ALPN)
  const incoming = await acceptor.accept()
  const accepted = await incoming!.acceptEarly()
  const early = await dialing
  const answer = ask(early, 'early')
  const stream = await accepted.acceptBi()
  t.is(text(await stream!.recv.readToEnd(10)), 'early')
  t.true(stream!.recv.isEarly)
  const connection = await accepted.handshake()
  t.is(connection.remoteId, dialer.id)
  t.is(connection.side, 'server')
  t.is(await accepted.handshake(), connection)
  await stream!.send.write('late')
  await stream!.send.finish()
  t.is(await answer, 'late')
  t.false('remoteId' in accepted)
  early.close()
  t.is(await accepted.acceptUni(), null)
})

test('a wait for the handshake ends by its signal', async (t) => {
  const pair = await endpointPair(t)
  void echo(pair.acceptor)
  const early = await pair.dialer.connectEarly(pair.acceptor.addr, ALPN)
  const reason = new Error('enough')
  t.is(await t.throwsAsync(early.handshake({ signal: AbortSignal.abort(reason) })), reason)
  await t.notThrowsAsync(early.handshake())
  await t.throwsAsync(pair.dialer.connectEarly(pair.acceptor.addr, ''), { instanceOf: RangeError })
})
