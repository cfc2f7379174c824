import test from 'ava'
import { type BiStream, GaiwanError } from '../../ts/index.js'
import { ALPN, connectionPair, endpointPair, join, stream, text, until } from '../helpers/pair.js'

const code = (code: string) => ({ instanceOf: GaiwanError, code }) as const

test('both ends know each other', async (t) => {
  const { dialer, acceptor, client, server } = await connectionPair(t)
  t.is(client.remoteId, acceptor.id)
  t.is(server.remoteId, dialer.id)
  t.is(client.side, 'client')
  t.is(server.side, 'server')
  t.is(client.alpn, ALPN)
  t.deepEqual(server.alpnBytes, new TextEncoder().encode(ALPN))
  t.deepEqual([client.remoteAddress], acceptor.boundAddresses)
  t.deepEqual([server.remoteAddress], dialer.boundAddresses)
  t.true(client.rttMs > 0)
  t.is(client.closeInfo, null)
  client.alpnBytes.fill(0)
  t.deepEqual(client.alpnBytes, new TextEncoder().encode(ALPN))
})

test('a close is seen at both ends with code and reason', async (t) => {
  const { client, server } = await connectionPair(t)
  const reason = new TextEncoder().encode('thé')
  client.close(7, 'thé')
  client.close(8, 'later')
  t.deepEqual(await client.closed, { by: 'local', code: 7n, reason: 'thé', reasonBytes: reason })
  t.deepEqual(await server.closed, { by: 'remote', code: 7n, reason: 'thé', reasonBytes: reason })
  t.deepEqual(server.closeInfo, await server.closed)
  t.is(client.closed, client.closed)
  const error = await t.throwsAsync(server.openBi(), code('CONNECTION_CLOSED'))
  t.is((error as GaiwanError).applicationCode, 7n)
  t.is((error as GaiwanError).reason, 'thé')
  await t.throwsAsync(client.openUni(), code('LOCALLY_CLOSED'))
  await t.throwsAsync(client.request('x'), code('LOCALLY_CLOSED'))
  t.throws(() => client.sendDatagram('x'), code('LOCALLY_CLOSED'))
})

test('accepting gives null and loops end once either application closed, whatever the code', async (t) => {
  const { client, server } = await connectionPair(t)
  const loops = Promise.all([
    (async () => {
      for await (const _ of server.incomingBi()) t.fail()
    })(),
    (async () => {
      for await (const _ of server.incomingUni()) t.fail()
    })(),
    (async () => {
      for await (const _ of server.datagrams()) t.fail()
    })(),
    server.serve(() => 'x'),
    client.acceptBi(),
    client.acceptUni(),
  ])
  await new Promise((resolve) => setImmediate(resolve))
  client.close(99)
  const results = await loops
  t.is(results[4], null)
  t.is(results[5], null)
  t.is(await server.acceptBi(), null)
  t.is(await client.acceptUni(), null)
  await t.notThrowsAsync(client.serve(() => 'x'))
})

test('when the connection is lost they reject with CONNECTION_LOST, and closed says timeout', async (t) => {
  // While no round trip was measured the limit is thrice a probe of the first guess, so that the handshake has time. It is
  // no shorter than a stall of the machine: one end alone that gave up would answer late packets with a reset.
  const short = { transport: { idleTimeoutMs: 3_000, keepAliveMs: null, initialRttMs: 2_000 } }
  const { client, server } = await connectionPair(t, short, short)
  const lost = await Promise.all([
    t.throwsAsync(server.acceptBi(), code('CONNECTION_LOST')),
    t.throwsAsync(
      server.serve(() => 'x'),
      code('CONNECTION_LOST'),
    ),
    t.throwsAsync(server.datagrams()[Symbol.asyncIterator]().next(), code('CONNECTION_LOST')),
  ])
  t.is((lost[0] as GaiwanError).by, 'timeout')
  t.deepEqual(await server.closed, { by: 'timeout', code: null, reason: '', reasonBytes: new Uint8Array(0) })
  t.is((await client.closed).by, 'timeout')
  await t.throwsAsync(server.acceptUni(), code('CONNECTION_LOST'))
  await t.throwsAsync(server.openBi(), code('CONNECTION_LOST'))
})

test('pending reads, writes and requests reject when the peer closes', async (t) => {
  const pair = await connectionPair(t)
  const { client, server } = pair
  const { send, recv } = await stream(pair)
  const pending = [recv.read(), recv.readToEnd(10), send.write(new Uint8Array(20_000_000)), send.stopped, client.request('unanswered')]
  server.close(3, 'gone')
  for (const one of pending) {
    const error = await t.throwsAsync<GaiwanError>(one as Promise<never>, code('CONNECTION_CLOSED'))
    t.is(error?.applicationCode, 3n)
  }
})

test('what the peer sent before it closed can still be read', async (t) => {
  const pair = await connectionPair(t)
  const { peer } = await stream(pair)
  const { recv } = peer
  const own = await pair.client.openUni()
  await own.write('last words')
  const incoming = await pair.server.acceptUni()
  pair.client.close()
  await pair.server.closed
  t.is(text(await incoming!.read()), 'last words')
  await t.throwsAsync(incoming!.read(), code('CONNECTION_CLOSED'))
  await t.throwsAsync(recv.read(), code('CONNECTION_CLOSED'))
})

test('leaving a loop over streams early loses none that came', async (t) => {
  const pair = await connectionPair(t)
  const { client, server } = pair
  for (let n = 0; n < 4; n++) {
    const send = await client.openUni()
    await send.write(String(n))
    await send.finish()
  }
  const seen: (string | null)[] = []
  for await (const recv of server.incomingUni()) {
    seen.push(text(await recv.readToEnd(9)))
    if (seen.length === 2) break
  }
  seen.push(text(await (await server.acceptUni())!.readToEnd(9)))
  for await (const recv of server.incomingUni()) {
    seen.push(text(await recv.readToEnd(9)))
    break
  }
  t.deepEqual(seen, ['0', '1', '2', '3'])
})

test('a cancelled accept leaves the stream to the next one', async (t) => {
  const { client, server } = await connectionPair(t)
  const abort = new AbortController()
  const reason = new Error('enough')
  t.is(await t.throwsAsync(server.acceptBi({ signal: AbortSignal.abort(reason) })), reason)
  const cancelled = server.acceptBi({ signal: abort.signal })
  const other = server.acceptBi()
  abort.abort(reason)
  t.is(await t.throwsAsync(cancelled), reason)
  const { send } = await client.openBi()
  await send.write('x')
  t.is(text(await (await other)!.recv.read()), 'x')
  await t.throwsAsync(server.acceptBi({ signal: 5 as never }), { instanceOf: TypeError })
})

test('opening waits for credit, and a cancelled wait takes none', async (t) => {
  const pair = await connectionPair(t, {}, { transport: { maxBidiStreams: 1 } })
  const { client, server } = pair
  const first = await client.openBi()
  await first.send.write('a')
  const abort = new AbortController()
  const cancelled = client.openBi({ signal: abort.signal })
  let opened: BiStream | null = null
  const second = client.openBi().then((stream) => {
    opened = stream
    return stream
  })
  abort.abort(new Error('enough'))
  await t.throwsAsync(cancelled, { message: 'enough' })
  t.is(opened, null)
  const peer = await server.acceptBi()
  await first.send.finish()
  await peer!.recv.readToEnd(10)
  await peer!.send.finish()
  await first.recv.readToEnd(10)
  const { send } = await second
  await send.write('b')
  t.is(text(await (await server.acceptBi())!.recv.read()), 'b')
})

test('setLimits grants more streams from now on', async (t) => {
  const { client, server } = await connectionPair(t, {}, { transport: { maxUniStreams: 0 } })
  const opening = client.openUni()
  server.setLimits({ maxUniStreams: 1, maxBidiStreams: 5, receiveWindow: 2_000_000 })
  t.is((await opening).id, 2n)
  t.throws(() => server.setLimits({ maxUniStreams: -1 }), { instanceOf: RangeError, message: /^limits\.maxUniStreams/ })
  t.throws(() => server.setLimits(5 as never), { instanceOf: TypeError })
})

test('request and serve: bytes and text, small and large, sync and async', async (t) => {
  const { client, server } = await connectionPair(t)
  const serving = server.serve((body) => {
    const asked = text(body)!
    if (asked === 'sync text') return 'thé'
    if (asked === 'empty') return new Uint8Array(0)
    return Promise.resolve(body)
  })
  t.is(text(await client.request('sync text')), 'thé')
  t.is((await client.request('empty')).length, 0)
  t.is(text(await client.request(new TextEncoder().encode('echo'))), 'echo')
  const large = new Uint8Array(1_000_000).fill(0x61)
  t.is(Buffer.compare(await client.request(large), large), 0)
  t.is(text(await client.request('b'.repeat(100_000))), 'b'.repeat(100_000))
  t.is((await client.request('')).length, 0)
  const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => client.request(`n${n}`)))
  t.deepEqual(
    answers.map(text),
    Array.from({ length: 300 }, (_, n) => `n${n}`),
  )
  client.close()
  await t.notThrowsAsync(serving)
})

test('a request ends by its signal, and the peer sees its stream go', async (t) => {
  const { client, server } = await connectionPair(t)
  const reason = new Error('enough')
  t.is(await t.throwsAsync(client.request('x', { signal: AbortSignal.abort(reason) })), reason)
  const abort = new AbortController()
  const request = client.request('x', { signal: abort.signal })
  const { send, recv } = (await server.acceptBi())!
  t.is(text(await recv.readToEnd(5)), 'x')
  abort.abort(reason)
  t.is(await t.throwsAsync(request), reason)
  t.is(await send.stopped, 0n)
})

test('a handler that throws resets the stream with its code and is told', async (t) => {
  const { acceptor, client, server } = await connectionPair(t)
  const errors: unknown[] = []
  acceptor.on('handlerError', (error, connection) => {
    t.is(connection, server)
    errors.push(error)
  })
  const failures = [new Error('plain'), new GaiwanError('PROTOCOL_VIOLATION', 'coded', { applicationCode: 42 }), new Error('async')]
  void server.serve((body) => {
    switch (text(body)) {
      case '0':
        throw failures[0]
      case '1':
        throw failures[1]
      case '2':
        return Promise.reject(failures[2])
      default:
        return 5 as never
    }
  })
  for (const [asked, expected] of [
    ['0', 0n],
    ['1', 42n],
    ['2', 0n],
    ['3', 0n],
  ] as const) {
    const error = await t.throwsAsync(client.request(asked), code('STREAM_RESET'))
    t.is((error as GaiwanError).applicationCode, expected)
  }
  t.deepEqual(errors.slice(0, 3), failures)
  t.true(errors[3] instanceof TypeError)
})

test('limits of request and serve', async (t) => {
  const { client, server } = await connectionPair(t)
  void server.serve((body) => body, { maxRequestBytes: 10 })
  await t.throwsAsync(client.request('x'.repeat(11)), code('STREAM_RESET'))
  await t.throwsAsync(client.request('12345', { maxResponseBytes: 4 }), code('STREAM_TOO_LONG'))
  t.is(text(await client.request('12345', { maxResponseBytes: 5 })), '12345')
  await t.throwsAsync(client.request('x', { maxResponseBytes: -1 }), { instanceOf: RangeError, message: /^maxResponseBytes/ })
  await t.throwsAsync(client.request(5 as never), { instanceOf: TypeError, message: /^body: / })
  await t.throwsAsync(server.serve(5 as never), { instanceOf: TypeError, message: /^handler: / })
  await t.throwsAsync(
    server.serve(() => '', { concurrency: 0 }),
    { instanceOf: RangeError, message: /^concurrency: / },
  )
  await t.throwsAsync(
    server.serve(() => '', { maxRequestBytes: 0.5 }),
    { instanceOf: RangeError, message: /^maxRequestBytes: / },
  )
})

test('serve runs as many handlers at once as it is told', async (t) => {
  const { client, server } = await connectionPair(t)
  let running = 0
  let most = 0
  const release: (() => void)[] = []
  void server.serve(
    async () => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => release.push(resolve))
      running--
      return 'ok'
    },
    { concurrency: 2 },
  )
  const requests = Array.from({ length: 5 }, () => client.request('x'))
  for (let left = 5; left > 0; left--) {
    // As many as may run do so before one of them ends.
    await until(() => release.length >= Math.min(2, left))
    release.shift()?.()
  }
  await Promise.all(requests)
  t.is(most, 2)
})

test('serve ends by its signal with the reason, and the connection lives on', async (t) => {
  const { client, server } = await connectionPair(t)
  const abort = new AbortController()
  const serving = server.serve((body) => body, { signal: abort.signal })
  t.is(text(await client.request('x')), 'x')
  const reason = new Error('enough')
  abort.abort(reason)
  t.is(await t.throwsAsync(serving), reason)
  t.is(client.closeInfo, null)
  t.is(await t.throwsAsync(server.serve(() => '', { signal: AbortSignal.abort(reason) })), reason)
})

test('keying material is equal at both ends and depends on label, context and length', async (t) => {
  const { client, server } = await connectionPair(t)
  const own = client.exportKeyingMaterial('label', 'context', 8_160)
  t.is(own.length, 8_160)
  t.deepEqual(server.exportKeyingMaterial('label', 'context', 8_160), own)
  t.notDeepEqual(client.exportKeyingMaterial('label', 'other', 32), server.exportKeyingMaterial('label', 'context', 32))
  for (const wrong of [0, 8_161, 1.5]) {
    t.throws(() => client.exportKeyingMaterial('l', 'c', wrong), { instanceOf: RangeError, message: /^length: / })
  }
  t.throws(() => client.exportKeyingMaterial(5 as never, 'c', 1), { instanceOf: TypeError, message: /^label: / })
})

test('stats and paths tell what went over the wire, also after the end', async (t) => {
  const { acceptor, client, server } = await connectionPair(t)
  void server.serve((body) => body)
  await client.request('x'.repeat(5_000))
  const stats = client.stats()
  t.true(stats.udpTx.bytes > 5_000)
  t.true(stats.udpRx.datagrams > 0)
  t.true(stats.frameTx['stream']! > 0)
  t.true(stats.path.rttMs > 0 && stats.path.minRttMs > 0 && stats.path.cwnd > 0 && stats.path.mtu >= 1_200)
  t.is(stats.datagramsDropped, 0)
  const [path, ...others] = client.paths()
  t.is(others.length, 0)
  t.like(path, { kind: 'direct', address: acceptor.boundAddresses[0], selected: true })
  t.true(path!.bytesTx >= stats.udpTx.bytes && path!.lastSeenMs !== null)
  client.close()
  t.true(client.stats().udpTx.bytes >= stats.udpTx.bytes)
  t.deepEqual([client.remoteAddress], acceptor.boundAddresses)
  t.true(client.rttMs > 0)
})

test('watchPaths gives the paths at once and ends with the connection', async (t) => {
  const { client } = await connectionPair(t)
  const seen: number[] = []
  const watching = (async () => {
    for await (const paths of client.watchPaths()) {
      seen.push(paths.length)
      setImmediate(() => client.close())
    }
  })()
  await watching
  t.deepEqual(seen, [1])
  for await (const _ of client.watchPaths()) t.fail()
})

test('a connection closes with code 0 when it is disposed', async (t) => {
  const pair = await endpointPair(t)
  const { client, server } = await join(pair)
  await client[Symbol.asyncDispose]()
  const end = await server.closed
  t.is(end.by, 'remote')
  t.is(end.code, 0n)
})

test('a reason that is no UTF-8 comes as its bytes', async (t) => {
  const { client, server } = await connectionPair(t)
  client.close(1n, Uint8Array.of(0xff, 0x61))
  const end = await server.closed
  t.deepEqual([...end.reasonBytes], [0xff, 0x61])
  t.is(end.reason, '\ufffda')
})
