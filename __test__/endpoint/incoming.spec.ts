import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { ALPN, bind, endpointPair, text } from '../helpers/pair.js'

const code = (code: string) => ({ instanceOf: GaiwanError, code }) as const

test('an attempt tells where it comes from', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const dial = dialer.connect(acceptor.addr, ALPN)
  const incoming = (await acceptor.accept())!
  t.is(incoming.remoteAddress, dialer.boundAddresses[0]!)
  t.is(incoming.localAddress, acceptor.boundAddresses[0]!)
  t.is(incoming.kind, 'direct')
  t.is(incoming.relayedId, undefined)
  t.false(incoming.addressValidated)
  await incoming.accept()
  await dial
})

test('refused, the dialer fails at once', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const dial = t.throwsAsync(dialer.connect(acceptor.addr, ALPN), code('CONNECTION_REFUSED'))
  ;(await acceptor.accept())!.refuse()
  await dial
})

test('told to retry, the dialer comes again with a proven address, and only once', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  // Patient: a first packet sent again would be another attempt.
  const dial = dialer.connect(acceptor.addr, ALPN, { timeoutMs: 60_000, transport: { initialRttMs: 3_000 } })
  ;(await acceptor.accept())!.retry()
  const again = (await acceptor.accept())!
  t.true(again.addressValidated)
  t.throws(() => again.retry(), code('RETRY_NOT_ALLOWED'))
  const server = await again.accept()
  t.is((await dial).remoteId, acceptor.id)
  t.is(server.remoteId, dialer.id)
})

test('a second decision is INCOMING_DECIDED', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const dial = dialer.connect(acceptor.addr, ALPN)
  const incoming = (await acceptor.accept())!
  await incoming.accept()
  await dial
  for (const again of [() => incoming.refuse(), () => incoming.retry(), () => incoming.ignore()]) t.throws(again, code('INCOMING_DECIDED'))
  await t.throwsAsync(incoming.accept(), code('INCOMING_DECIDED'))
  await t.throwsAsync(incoming.acceptEarly(), code('INCOMING_DECIDED'))
})

test('accepting ends by its signal', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  // The handshake may be done at the dialer's side by then; it hears of the end either way.
  const ended = dialer.connect(acceptor.addr, ALPN, { timeoutMs: 500 }).then(
    (client) => client.closed.then(({ by }) => by),
    (error: GaiwanError) => error.code,
  )
  const incoming = (await acceptor.accept())!
  const reason = new Error('enough')
  t.is(await t.throwsAsync(incoming.accept({ signal: AbortSignal.abort(reason) })), reason)
  const abort = new AbortController()
  const accepting = incoming.accept({ signal: abort.signal })
  abort.abort(reason)
  t.is(await t.throwsAsync(accepting), reason)
  t.regex(await ended, /^(remote|transport|HANDSHAKE_TIMEOUT|CONNECTION_CLOSED|CONNECTION_REFUSED)$/)
})

test('settings of one accept go over those of the endpoint', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const dial = dialer.connect(acceptor.addr, ALPN)
  const incoming = (await acceptor.accept())!
  await t.throwsAsync(incoming.accept({ transport: { initialMtu: 1 } }), { instanceOf: RangeError, message: /^transport\.initialMtu/ })
  const server = await incoming.accept({ transport: { maxUniStreams: 0 } })
  const client = await dial
  const { signal } = new AbortController()
  const abort = new AbortController()
  const opening = client.openUni({ signal: abort.signal })
  // There is no credit, so a request passes it.
  void server.serve((body) => body)
  t.is(text(await client.request('x', { signal })), 'x')
  abort.abort(new Error('enough'))
  await t.throwsAsync(opening, { message: 'enough' })
})

test('maxConnections refuses the one too many, in both roles', async (t) => {
  const { dialer, acceptor } = await endpointPair(t, {}, { limits: { maxConnections: 1 } })
  const accepts = (async () => {
    for await (const incoming of acceptor) void incoming.accept().catch(() => {})
  })()
  const first = await dialer.connect(acceptor.addr, ALPN)
  await t.throwsAsync(dialer.connect(acceptor.addr, ALPN), code('CONNECTION_REFUSED'))
  const third = await bind(t, { alpns: [ALPN] })
  await t.throwsAsync(acceptor.connect(third.addr, ALPN), code('LIMIT_REACHED'))
  first.close()
  await acceptor.close()
  await accepts
})

test("requireRetry: 'always' lets nobody in without a proven address", async (t) => {
  const { dialer, acceptor } = await endpointPair(t, {}, { limits: { requireRetry: 'always' } })
  const dial = dialer.connect(acceptor.addr, ALPN)
  const incoming = (await acceptor.accept())!
  t.true(incoming.addressValidated)
  await incoming.accept()
  await dial
})
