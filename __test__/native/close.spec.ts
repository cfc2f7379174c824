import { EventEmitter } from 'node:events'
import test from 'ava'
import { Endpoint, GaiwanError } from '../../ts/index.js'
import { ALPN, connectionPair, endpointPair, LOOPBACK, stream, streamPair } from '../helpers/pair.js'

test('close while calls pend: every one of them settles before it resolves', async (t) => {
  const pair = await connectionPair(t)
  const { client, dialer, acceptor } = pair
  const { send, recv } = await stream(pair)
  const other = await stream(pair)
  const settled: string[] = []
  const watch = (name: string, promise: Promise<unknown>) => {
    void promise.then(
      (value) => settled.push(`${name}: ${value === null ? 'null' : typeof value}`),
      (error) => settled.push(`${name}: ${GaiwanError.is(error) ? error.code : error}`),
    )
  }
  watch('accept', dialer.accept())
  watch('dial', dialer.connect(acceptor.addr, ALPN))
  watch('read', recv.read())
  watch('readToEnd', other.recv.readToEnd(10))
  watch('write', send.write(new Uint8Array(30_000_000)))
  watch('stopped', send.stopped)
  watch('reset', recv.resetReceived)
  watch('request', client.request('x'))
  watch('acceptBi', client.acceptBi())
  watch('acceptUni', client.acceptUni())
  watch(
    'serve',
    client.serve((body) => body),
  )
  watch('datagram', client.datagrams()[Symbol.asyncIterator]().next())
  watch('closed', client.closed)
  await Promise.all([dialer.close(), dialer.close()])
  t.deepEqual(settled.sort(), [
    'accept: null',
    'acceptBi: null',
    'acceptUni: null',
    'closed: object',
    'datagram: object',
    'dial: ENDPOINT_CLOSED',
    'read: LOCALLY_CLOSED',
    'readToEnd: LOCALLY_CLOSED',
    'request: LOCALLY_CLOSED',
    'reset: LOCALLY_CLOSED',
    'serve: undefined',
    'stopped: LOCALLY_CLOSED',
    'write: LOCALLY_CLOSED',
  ])
})

test('our own close of a connection settles a read that waits and what is asked beside it', async (t) => {
  const { client, recv } = await streamPair(t)
  const local = { instanceOf: GaiwanError, code: 'LOCALLY_CLOSED' } as const
  const waiting = [recv.read(), recv.readExact(3), recv.resetReceived].map((one: Promise<unknown>) => t.throwsAsync(one, local))
  client.close()
  await Promise.all(waiting)
})

test('close during a handshake settles both ends', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const dial = dialer.connect(acceptor.addr, ALPN, { timeoutMs: 2_000 }).then(
    // A close before the handshake is confirmed may travel as APPLICATION_ERROR, without its code (RFC 9000, section 10.2.3).
    (connection) => connection.closed.then((end) => (end.by === 'transport' ? `transport ${end.code}` : end.by)),
    (error: GaiwanError) => error.code,
  )
  const incoming = await acceptor.accept()
  const accepting = incoming!.accept().then(
    (connection) => connection.closed.then(({ by }) => by),
    (error: GaiwanError) => error.code,
  )
  await acceptor.close()
  t.regex(await accepting, /^(ENDPOINT_CLOSED|local)$/)
  t.regex(await dial, /^(remote|transport 12|CONNECTION_CLOSED|CONNECTION_REFUSED|HANDSHAKE_TIMEOUT)$/)
})

test('binding and closing at once is fine, many times', async (t) => {
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const endpoint = await Endpoint.bind({ bind: LOOPBACK, alpns: [ALPN] })
      await Promise.all([endpoint.close(), endpoint.close(), endpoint[Symbol.asyncDispose]()])
      t.true(endpoint.isClosed)
    }),
  )
})

test('an endpoint leaves no listeners on the process', async (t) => {
  const count = () => process.eventNames().reduce((sum, name) => sum + EventEmitter.listenerCount(process, name), 0)
  const before = count()
  const { client } = await connectionPair(t)
  client.close()
  t.is(count(), before)
})
