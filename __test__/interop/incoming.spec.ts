// Decisions before a handshake: refuse, retry, ignore.
import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { ALPN, bind, nextIncoming, peerFails } from './meeting.js'
import { Peer } from './peer.js'

test('iroh refuses gaiwan: CONNECTION_REFUSED', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN] })])
  await there.accept({ verdict: 'refuse' })
  const error = await t.throwsAsync(endpoint.connect(there.addr, ALPN), { instanceOf: GaiwanError })
  t.is(error?.code, 'CONNECTION_REFUSED')
  t.is((await there.attempt()).verdict, 'refuse')
})

test('gaiwan refuses iroh: transport code 2', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  const dial = peerFails(t, there.connect(endpoint.addr, ALPN))
  const incoming = await nextIncoming(endpoint)
  t.is(incoming.remoteAddress, there.address)
  t.is(incoming.kind, 'direct')
  incoming.refuse()
  t.deepEqual(await dial, { kind: 'transport-remote', code: 2n })
})

test('iroh asks gaiwan to retry: the dial comes again validated and succeeds', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN] })])
  await there.accept({ verdict: 'retry' })
  const connection = await endpoint.connect(there.addr, ALPN)
  t.is(connection.remoteId, there.id)
  const first = await there.attempt()
  t.deepEqual([first.verdict, first.validated], ['retry', false])
  let last = await there.attempt()
  // An Initial that was sent again before the answer to it came is one more attempt.
  for (; last.verdict === 'retry'; last = await there.attempt()) t.false(last.validated)
  t.deepEqual([last.verdict, last.validated], ['accept', true])
  t.is(last.connection?.remoteId, endpoint.id)
})

test('gaiwan asks iroh to retry: it comes again validated, and only once', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  const dial = there.connect(endpoint.addr, ALPN)
  const first = await nextIncoming(endpoint)
  t.false(first.addressValidated)
  first.retry()
  let second = await nextIncoming(endpoint)
  // An Initial that iroh sent again before the Retry reached it is one more attempt, without a token.
  for (; !second.addressValidated; second = await nextIncoming(endpoint)) second.ignore()
  t.is(second.remoteAddress, there.address)
  const error = t.throws(() => second.retry(), { instanceOf: GaiwanError })
  t.is(error?.code, 'RETRY_NOT_ALLOWED')
  const [ours, theirs] = await Promise.all([second.accept(), dial])
  t.is(ours.remoteId, there.id)
  t.is(theirs.remoteId, endpoint.id)
})

test('limits.requireRetry "always" retries without asking', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t, { limits: { requireRetry: 'always' } }), peer.bind()])
  const dial = there.connect(endpoint.addr, ALPN)
  const incoming = await nextIncoming(endpoint)
  t.true(incoming.addressValidated)
  const [ours, theirs] = await Promise.all([incoming.accept(), dial])
  t.is(ours.remoteId, there.id)
  t.is(theirs.remoteId, endpoint.id)
})

test('iroh ignores gaiwan: HANDSHAKE_TIMEOUT after timeoutMs', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN] })])
  await there.accept({ verdict: 'ignore' })
  const error = await t.throwsAsync(endpoint.connect(there.addr, ALPN, { timeoutMs: 800 }), { instanceOf: GaiwanError })
  t.is(error?.code, 'HANDSHAKE_TIMEOUT')
  t.is((await there.attempt()).verdict, 'ignore')
})

test('gaiwan ignores iroh: it times out, and each of its Initials is a new attempt', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  // Initials leave after 0, 1, 3 and 7 s; those that come before a decision belong to the attempt that waits for it.
  const dial = peerFails(t, there.connect(endpoint.addr, ALPN, { idleTimeoutMs: 8_000 }))
  for (let attempt = 0; attempt < 2; attempt++) {
    const incoming = await nextIncoming(endpoint)
    incoming.ignore()
    t.is(t.throws(() => incoming.refuse(), { instanceOf: GaiwanError })?.code, 'INCOMING_DECIDED')
  }
  const rest = (async () => {
    for await (const incoming of endpoint) incoming.ignore()
  })()
  t.deepEqual(await dial, { kind: 'timeout', code: null })
  await endpoint.close()
  await rest
})
