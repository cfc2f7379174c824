import test, { type ExecutionContext } from 'ava'
import { Endpoint, EndpointTicket, GaiwanError, SecretKey } from '../../ts/index.js'
import { ALPN, acceptOne, bind, connectionPair, endpointPair, join, LOOPBACK, until } from '../helpers/pair.js'

/** An acceptor on a port that the system gives to nobody who asks for any, so that it is still free after a close. */
async function onQuietPort(t: ExecutionContext<unknown>): Promise<Endpoint> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    try {
      return await bind(t, { bind: `127.0.0.1:${port}`, alpns: [ALPN] })
    } catch (error) {
      if (!GaiwanError.is(error, 'BIND_FAILED')) throw error
    }
  }
}

test('an endpoint has the id of its key and the addresses that it is bound to', async (t) => {
  const secretKey = SecretKey.generate()
  const endpoint = await bind(t, { secretKey })
  t.is(endpoint.id, secretKey.id)
  t.is(endpoint.secretKey.id, secretKey.id)
  t.is(endpoint.boundAddresses.length, 1)
  t.regex(endpoint.boundAddresses[0]!, /^127\.0\.0\.1:\d+$/)
  t.deepEqual(endpoint.addr, { id: endpoint.id, addresses: [...endpoint.boundAddresses] })
  t.deepEqual(EndpointTicket.decode(endpoint.ticket()), endpoint.addr)
  t.deepEqual(endpoint.localAddresses(), [{ address: endpoint.boundAddresses[0]!, source: 'socket' }])
})

test('a wildcard is told as the addresses of this machine', async (t) => {
  const endpoint = await bind(t, { bind: '0.0.0.0:0' })
  const { addresses = [] } = endpoint.addr
  const port = endpoint.boundAddresses[0]!.split(':')[1]
  t.true(addresses.length > 0)
  for (const address of addresses) {
    t.regex(address, new RegExp(`^\\d+\\.\\d+\\.\\d+\\.\\d+:${port}$`))
    t.false(address.startsWith('0.0.0.0') || address.startsWith('169.254.'))
  }
})

test('an address in use is BIND_FAILED, unless it is not required', async (t) => {
  const first = await bind(t)
  const taken = first.boundAddresses[0]!
  const error = await t.throwsAsync(Endpoint.bind({ bind: taken }), { instanceOf: GaiwanError })
  t.is((error as GaiwanError).code, 'BIND_FAILED')
  const second = await bind(t, { bind: [{ address: taken, required: false }, LOOPBACK] })
  t.is(second.boundAddresses.length, 1)
})

test('the port is free again when close has resolved, even with connections held', async (t) => {
  const { acceptor, client, server } = await join({ dialer: await bind(t), acceptor: await onQuietPort(t) })
  const address = acceptor.boundAddresses[0]!
  await acceptor.close()
  const again = await bind(t, { bind: address })
  t.deepEqual(again.boundAddresses, [address])
  t.is(server.closeInfo?.by, 'local')
  t.is((await client.closed).by, 'remote')
})

test('close is one promise, aborts the signal and ends what waits', async (t) => {
  const endpoint = await Endpoint.bind({ bind: LOOPBACK, alpns: [ALPN] })
  const accepting = [endpoint.accept(), endpoint.accept()]
  const events: string[] = []
  endpoint.on('closed', () => events.push('closed'))
  const loop = (async () => {
    for await (const _ of endpoint) t.fail()
    events.push('loop')
  })()
  const watch = (async () => {
    let seen = 0
    for await (const _ of endpoint.watchAddr()) seen++
    t.is(seen, 1)
    events.push('watch')
  })()
  await new Promise((resolve) => setImmediate(resolve))
  t.false(endpoint.isClosed)
  const closing = endpoint.close()
  t.is(endpoint.close(), closing)
  t.true(endpoint.isClosed)
  await Promise.all([closing, endpoint.closed, loop, watch])
  t.deepEqual(await Promise.all(accepting), [null, null])
  t.true(endpoint.signal.aborted)
  t.true(GaiwanError.is(endpoint.signal.reason, 'ENDPOINT_CLOSED'))
  t.deepEqual(events.sort(), ['closed', 'loop', 'watch'])
  t.is(await endpoint.accept(), null)
})

test('calls after close are ENDPOINT_CLOSED', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  await dialer.close()
  const closed = { instanceOf: GaiwanError, code: 'ENDPOINT_CLOSED' } as const
  await t.throwsAsync(dialer.connect(acceptor.addr, ALPN), closed)
  await t.throwsAsync(dialer.connectEarly(acceptor.addr, ALPN), closed)
  await t.throwsAsync(dialer.networkChanged(), closed)
  t.throws(() => dialer.metrics(), closed)
  t.throws(() => dialer.setAlpns([ALPN]), closed)
  t.throws(() => dialer.remoteInfo(acceptor.id), closed)
})

test('a dial that is under way when the endpoint closes is ENDPOINT_CLOSED', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const dial = dialer.connect(acceptor.addr, ALPN)
  const outcome = t.throwsAsync(dial, { instanceOf: GaiwanError, code: 'ENDPOINT_CLOSED' })
  const incoming = await acceptor.accept()
  await dialer.close()
  await outcome
  incoming?.refuse()
})

test('dialing: own id, unknown ALPN, wrong key, refused, and nothing to dial have their codes', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const code = (code: string) => ({ instanceOf: GaiwanError, code }) as const
  await t.throwsAsync(dialer.connect(dialer.addr, ALPN), code('SELF_DIAL'))
  await t.throwsAsync(dialer.connect(acceptor.id, ALPN), code('NO_ADDRESS'))
  const accepts = (async () => {
    for await (const incoming of acceptor) void incoming.accept().catch(() => {})
  })()
  await t.throwsAsync(dialer.connect(acceptor.addr, 'other/1'), code('ALPN_MISMATCH'))
  const { addresses } = acceptor.addr
  await t.throwsAsync(dialer.connect({ id: SecretKey.generate().id, addresses: addresses! }, ALPN), code('PEER_KEY_MISMATCH'))
  await acceptor.close()
  await accepts
})

test('wrong arguments of a dial are told before anything crosses', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const before = dialer.metrics()['quic_outgoing_handshakes']
  const wrong: Array<[Parameters<Endpoint['connect']>, RegExp]> = [
    [['nonsense', ALPN], /^to: expected an endpoint id/],
    [['endpointnonsense', ALPN], /^to: expected an endpoint ticket/],
    [[5 as never, ALPN], /^to: expected/],
    [[new Uint8Array(31), ALPN], /^to: expected/],
    [[acceptor.addr, ''], /^alpn: expected 1 to 255 bytes/],
    [[acceptor.addr, []], /^alpn: expected at least one/],
    [[acceptor.addr, ['a', 'a']], /^alpn\[1\]: expected each ALPN once/],
    [[acceptor.addr, 5 as never], /^alpn: expected a Uint8Array/],
    [[acceptor.addr, ALPN, { timeoutMs: 0 }], /^timeoutMs: expected/],
    [[acceptor.addr, ALPN, { signal: 5 as never }], /^signal: expected an AbortSignal/],
    [[acceptor.addr, ALPN, { transport: { maxBidiStreams: -1 } }], /^transport\.maxBidiStreams/],
  ]
  for (const [args, message] of wrong) {
    const error = await t.throwsAsync(dialer.connect(...args), { message })
    t.true(error instanceof TypeError || error instanceof RangeError)
  }
  t.is(dialer.metrics()['quic_outgoing_handshakes'], before)
})

test('a dial ends by its signal with the reason, before and while it runs', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const reason = new Error('enough')
  t.is(await t.throwsAsync(dialer.connect(acceptor.addr, ALPN, { signal: AbortSignal.abort(reason) })), reason)
  const abort = new AbortController()
  const dial = dialer.connect(acceptor.addr, ALPN, { signal: abort.signal })
  const incoming = await acceptor.accept()
  abort.abort(reason)
  t.is(await t.throwsAsync(dial), reason)
  incoming?.ignore()
})

test('a dial that nobody answers is HANDSHAKE_TIMEOUT after timeoutMs', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const dial = dialer.connect(acceptor.addr, ALPN, { timeoutMs: 200 })
  const incoming = await acceptor.accept()
  incoming?.ignore()
  await t.throwsAsync(dial, { instanceOf: GaiwanError, code: 'HANDSHAKE_TIMEOUT' })
})

test("the acceptor's order of ALPNs decides, and setAlpns is for later attempts", async (t) => {
  const { dialer, acceptor } = await endpointPair(t, {}, { alpns: ['v2', 'v1'] })
  const dial = async (...alpns: string[]) => {
    const [client, server] = await Promise.all([dialer.connect(acceptor.addr, alpns), acceptOne(acceptor)])
    t.is(server.alpn, client.alpn)
    t.deepEqual(client.alpnBytes, new TextEncoder().encode(client.alpn))
    return client.alpn
  }
  t.is(await dial('v1', 'v2'), 'v2')
  t.is(await dial('v3', 'v1'), 'v1')
  acceptor.setAlpns(['v3', 'v2'])
  t.is(await dial('v2', 'v3'), 'v3')
  t.throws(() => acceptor.setAlpns(['']), { instanceOf: RangeError })
})

test('several accepters: each attempt goes to one, and a cancelled wait loses none', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const abort = new AbortController()
  const cancelled = acceptor.accept({ signal: abort.signal })
  abort.abort(new Error('no'))
  await t.throwsAsync(cancelled, { message: 'no' })
  const accepted = Promise.all([acceptOne(acceptor), acceptOne(acceptor), acceptOne(acceptor)])
  const dialed = await Promise.all([1, 2, 3].map(() => dialer.connect(acceptor.addr, ALPN)))
  const servers = await accepted
  t.is(new Set(servers.map(({ stableId }) => stableId)).size, 3)
  t.is(new Set(dialed.map(({ stableId }) => stableId)).size, 3)
  await t.throwsAsync(acceptor.accept({ signal: AbortSignal.abort(new Error('gone')) }), { message: 'gone' })
})

test('metrics count, and the Prometheus text has the same', async (t) => {
  const pair = await endpointPair(t)
  await join(pair)
  const metrics = pair.dialer.metrics()
  t.is(metrics['quic_connections_open'], 1)
  t.true(metrics['socket_send_ipv4']! > 0)
  t.is(metrics['quic_outgoing_handshakes'], 1)
  const lines = pair.dialer.metrics('prometheus').trimEnd().split('\n')
  t.true(lines.includes('# TYPE gaiwan_quic_connections_open gauge'))
  t.true(lines.includes('# TYPE gaiwan_quic_outgoing_handshakes counter'))
  t.true(lines.includes('gaiwan_quic_connections_open 1'))
  t.is(lines.length, Object.keys(metrics).length * 3)
  for (const line of lines) t.regex(line, /^(# HELP gaiwan_\w+ \S.*|# TYPE gaiwan_\w+ (gauge|counter)|gaiwan_\w+ \d+)$/)
  t.throws(() => pair.dialer.metrics('json' as never), { instanceOf: TypeError })
})

test('external addresses are in addr, watched, told as events and removable', async (t) => {
  const endpoint = await bind(t, { externalAddresses: ['203.0.113.1:9'] })
  t.true(endpoint.addr.addresses!.includes('203.0.113.1:9'))
  const seen: (readonly string[])[] = []
  endpoint.on('addr', ({ addresses }) => seen.push(addresses!))
  const watch = endpoint.watchAddr()[Symbol.asyncIterator]()
  t.true((await watch.next()).value!.addresses!.includes('203.0.113.1:9'))
  const next = watch.next()
  endpoint.addExternalAddress('203.0.113.2:9')
  endpoint.addExternalAddress('203.0.113.2:9')
  t.true((await next).value!.addresses!.includes('203.0.113.2:9'))
  t.true(endpoint.removeExternalAddress('203.0.113.1:9'))
  t.false(endpoint.removeExternalAddress('203.0.113.1:9'))
  t.is(seen.length, 2)
  t.false((await watch.next()).value!.addresses!.includes('203.0.113.1:9'))
  t.throws(() => endpoint.addExternalAddress('host'), { instanceOf: TypeError, message: /^address: / })
  t.deepEqual(
    endpoint.localAddresses().filter(({ source }) => source === 'external'),
    [{ address: '203.0.113.2:9', source: 'external' }],
  )
})

test('listeners come and go, a repeated one as often as it was added', async (t) => {
  const endpoint = await bind(t)
  let count = 0
  const listener = () => {
    count++
  }
  t.is(endpoint.on('addr', listener).on('addr', listener), endpoint)
  endpoint.addExternalAddress('203.0.113.1:1')
  endpoint.off('addr', listener)
  endpoint.addExternalAddress('203.0.113.1:2')
  endpoint.off('addr', listener).off('addr', listener)
  endpoint.addExternalAddress('203.0.113.1:3')
  t.is(count, 3)
  t.throws(() => endpoint.on('error' as never, () => {}), { instanceOf: TypeError, message: /^event: / })
  t.throws(() => endpoint.on('addr', 5 as never), { instanceOf: TypeError, message: /^listener: / })
})

test('remoteInfo tells what is known of a peer', async (t) => {
  const pair = await connectionPair(t)
  const { dialer, acceptor, client } = pair
  t.is(dialer.remoteInfo(SecretKey.generate().id), null)
  t.deepEqual(dialer.remoteInfo(acceptor.id), {
    id: acceptor.id,
    addresses: [{ address: acceptor.boundAddresses[0]!, kind: 'direct', usage: 'active' }],
  })
  client.close()
  await until(() => dialer.remoteInfo(acceptor.id)?.addresses[0]?.usage === 'inactive')
  t.throws(() => dialer.remoteInfo('x'), { instanceOf: TypeError, message: /^id: / })
})

test('networkChanged rebinds and connections live on', async (t) => {
  const { dialer, client, server } = await connectionPair(t)
  const before = dialer.boundAddresses
  const told = new Promise((resolve) => dialer.on('addr', resolve))
  await dialer.networkChanged()
  await told
  t.is(dialer.boundAddresses.length, before.length)
  const serving = server.serve((body) => body)
  t.deepEqual(await client.request('still here'), new TextEncoder().encode('still here'))
  client.close()
  await serving
})
