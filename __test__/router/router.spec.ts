import test from 'ava'
import { type Connection, GaiwanError, type Incoming, type IncomingVerdict, type ProtocolHandler, Router } from '../../ts/index.js'
import { bind, text, until } from '../helpers/pair.js'

const code = (code: string) => ({ instanceOf: GaiwanError, code }) as const
const echo = (connection: Connection) => connection.serve((body) => body)

test('each connection goes to the handler of its ALPN, and the order of registration decides', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  const seen: string[] = []
  const named = (name: string) => async (connection: Connection) => {
    seen.push(`${name} ${connection.alpn}`)
    await connection.closed
  }
  Router.builder(server)
    .accept(['v2', 'v1'], named('versions'))
    .accept('other', { accept: named('other') })
    .spawn()
  const dial = async (...alpns: string[]) => {
    const connection = await client.connect(server.addr, alpns)
    const { alpn } = connection
    await until(() => seen.length > 0)
    connection.close()
    return [alpn, seen.splice(0)]
  }
  t.deepEqual(await dial('v1', 'v2'), ['v2', ['versions v2']])
  t.deepEqual(await dial('other', 'v1'), ['v1', ['versions v1']])
  t.deepEqual(await dial('other'), ['other', ['other other']])
  await t.throwsAsync(client.connect(server.addr, 'unknown'), code('ALPN_MISMATCH'))
})

test('wrong registrations are told at once', async (t) => {
  const server = await bind(t)
  const builder = Router.builder(server).accept(['a', 'b'], echo)
  const wrong: Array<[() => unknown, ErrorConstructor | RangeErrorConstructor | TypeErrorConstructor, RegExp]> = [
    [() => builder.accept('b', echo), TypeError, /^alpn: expected an ALPN that has no handler yet/],
    [() => builder.accept(new TextEncoder().encode('a'), echo), TypeError, /^alpn: /],
    [() => builder.accept(['c', 'c'], echo), TypeError, /^alpn\[1\]: /],
    [() => builder.accept('', echo), RangeError, /^alpn: expected 1 to 255 bytes/],
    [() => builder.accept([], echo), RangeError, /^alpn: expected at least one/],
    [() => builder.accept('d', {} as never), TypeError, /^handler: /],
    [() => builder.accept('d', { accept: echo, shutdown: 5 } as never), TypeError, /^handler\.shutdown: /],
    [() => builder.filter(5 as never), TypeError, /^decide: /],
    [() => Router.builder({} as never), TypeError, /^endpoint: expected an Endpoint/],
  ]
  for (const [run, instanceOf, message] of wrong) t.throws(run, { instanceOf, message })
  const router = builder.spawn()
  t.is(router.endpoint, server)
  await router.shutdown()
  t.throws(() => Router.builder(server).accept('a', echo).spawn(), code('ENDPOINT_CLOSED'))
})

test('a connection closes with 0 when its handler is done, and with the code of its error when it fails', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  const errors: [unknown, string][] = []
  server.on('handlerError', (error, connection) => errors.push([error, connection.alpn]))
  const coded = new GaiwanError('NOT_ALLOWED', 'a secret text', { applicationCode: 403 })
  const plain = new Error('a secret text')
  Router.builder(server)
    .accept('done', () => {})
    .accept('own', (connection) => connection.close(5, 'bye'))
    .accept('coded', async () => {
      throw coded
    })
    .accept('plain', () => {
      throw plain
    })
    .spawn()
  const ends: unknown[] = []
  for (const alpn of ['done', 'own', 'coded', 'plain']) {
    const end = await (await client.connect(server.addr, alpn)).closed
    ends.push([end.by, end.code, end.reason])
  }
  t.deepEqual(ends, [
    ['remote', 0n, ''],
    ['remote', 5n, 'bye'],
    ['remote', 403n, ''],
    ['remote', 0n, ''],
  ])
  t.deepEqual(errors, [
    [coded, 'coded'],
    [plain, 'plain'],
  ])
})

test('the filter is asked before any handler, and each verdict has its effect', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  let verdict: IncomingVerdict | 'throw' | 'nonsense' = 'accept'
  const validated: boolean[] = []
  const errors: unknown[] = []
  server.on('handlerError', (error) => errors.push(error))
  Router.builder(server)
    .accept('echo', echo)
    .filter((incoming) => {
      validated.push(incoming.addressValidated)
      if (verdict === 'throw') throw new Error('broken')
      return verdict as IncomingVerdict
    })
    .spawn()
  const ask = async (timeoutMs = 60_000) => text(await (await client.connect(server.addr, 'echo', { timeoutMs })).request('tea'))
  t.is(await ask(), 'tea')
  verdict = 'refuse'
  await t.throwsAsync(ask(), code('CONNECTION_REFUSED'))
  verdict = 'ignore'
  await t.throwsAsync(ask(300), code('HANDSHAKE_TIMEOUT'))
  verdict = 'throw'
  await t.throwsAsync(ask(), code('CONNECTION_REFUSED'))
  verdict = 'nonsense'
  await t.throwsAsync(ask(), code('CONNECTION_REFUSED'))
  t.deepEqual(
    // A dialer that repeats its first packet is asked about again.
    [...new Set(errors.map((error) => (error as Error).message))],
    ['broken', "the verdict of the filter: expected 'accept', 'retry', 'refuse', 'ignore'"],
  )
  verdict = 'retry'
  validated.length = 0
  // One that has proven its address and shall still retry is refused.
  await t.throwsAsync(ask(), code('CONNECTION_REFUSED'))
  t.true(validated.includes(true))
})

test('every handler is asked, any false refuses and a throw too', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  const asked: string[] = []
  const answers = { a: true as boolean | 'throw', b: true as boolean | 'throw' }
  const errors: unknown[] = []
  server.on('handlerError', (error) => errors.push(error))
  const handler = (name: 'a' | 'b'): ProtocolHandler => ({
    accept: echo,
    onIncoming: async (incoming: Incoming) => {
      t.is(incoming.kind, 'direct')
      asked.push(name)
      const answer = answers[name]
      if (answer === 'throw') throw new Error('broken')
      return answer
    },
  })
  Router.builder(server).accept('a', handler('a')).accept('b', handler('b')).spawn()
  const ask = async () => text(await (await client.connect(server.addr, 'a')).request('tea'))
  t.is(await ask(), 'tea')
  t.deepEqual(asked, ['a', 'b'])
  answers.b = false
  await t.throwsAsync(ask(), code('CONNECTION_REFUSED'))
  answers.b = 'throw'
  await t.throwsAsync(ask(), code('CONNECTION_REFUSED'))
  // A dialer that repeats its first packet is asked about again.
  t.deepEqual([...new Set(errors.map((error) => (error as Error).message))], ['broken'])
})

test('a handler can take part in the handshake', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  const seen: unknown[] = []
  Router.builder(server)
    .accept('part', {
      async onAccepting(accepting) {
        seen.push(accepting.remoteAddress, text(await accepting.alpn()))
        const connection = await accepting.finish()
        seen.push(connection.remoteId)
        return connection
      },
      accept: echo,
    })
    .spawn()
  const connection = await client.connect(server.addr, 'part')
  t.is(text(await connection.request('tea')), 'tea')
  t.deepEqual(seen, [client.boundAddresses[0], 'part', client.id])
})

test('a handler that says no in the handshake ends the attempt, and early needs leave', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  const errors: unknown[] = []
  server.on('handlerError', (error) => errors.push(error))
  Router.builder(server)
    .accept('early', {
      async onAccepting(accepting) {
        const early = await accepting.early()
        return early.handshake()
      },
      accept: echo,
    })
    .spawn()
  const outcome = await client.connect(server.addr, 'early').then(
    (connection) => connection.closed.then(({ by }) => by),
    (error: GaiwanError) => error.code,
  )
  t.regex(outcome, /^(remote|transport|CONNECTION_REFUSED|CONNECTION_CLOSED)$/)
  await until(() => errors.length > 0)
  t.true(GaiwanError.is(errors[0], 'NOT_ALLOWED'))
})

test('with leave a handler reads before the handshake is done', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  let early = 0
  Router.builder(server)
    .accept('early', {
      early: true,
      async onAccepting(accepting) {
        const incoming = await accepting.early()
        const stream = await incoming.acceptBi()
        if (stream?.recv.isEarly) early++
        await stream?.send.write((await stream.recv.readToEnd(100)) ?? '')
        await stream?.send.finish()
        return incoming.handshake()
      },
      accept: (connection) => connection.closed.then(() => {}),
    })
    .spawn()
  for (let n = 0; n < 3; n++) {
    const connection = await client.connectEarly(server.addr, 'early')
    t.is(connection.attempted, n > 0)
    const { send, recv } = await connection.openBi()
    await send.write('tea')
    await send.finish()
    t.is(text(await recv.readToEnd(10)), 'tea')
    t.is((await connection.handshake()).remoteId, server.id)
    connection.close()
  }
  t.is(early, 3)
})

test('shutdown: no new attempts, then all handlers at once, then the endpoint', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  const events: string[] = []
  server.on('closed', () => events.push('endpoint closed'))
  let bothRun: () => void = () => {}
  const together = new Promise<void>((resolve) => {
    bothRun = resolve
  })
  let running = 0
  const handler = (name: string): ProtocolHandler => ({
    accept: async (connection) => {
      await connection.closed
      events.push(`${name} connection closed`)
    },
    shutdown: async () => {
      events.push(`${name} shutdown`)
      t.false(server.isClosed)
      await t.throwsAsync(client.connect(server.addr, name, { timeoutMs: 500 }), { instanceOf: GaiwanError })
      if (++running === 2) bothRun()
      await together
      events.push(`${name} done`)
    },
  })
  const twice = handler('a')
  const router = Router.builder(server).accept('a', twice).accept('a2', twice).accept('b', handler('b')).spawn()
  const connection = await client.connect(server.addr, 'a')
  await until(() => server.metrics()['quic_connections_open'] === 1)
  t.false(router.isShutdown)
  const shutdown = router.shutdown()
  t.true(router.isShutdown)
  t.is(router.shutdown(), shutdown)
  await shutdown
  t.true(server.isClosed)
  t.is((await connection.closed).by, 'remote')
  await until(() => events.length === 6)
  t.deepEqual(events.slice(0, 2).sort(), ['a shutdown', 'b shutdown'])
  t.deepEqual(events.slice(2, 4).sort(), ['a done', 'b done'])
  t.deepEqual(events.slice(4).sort(), ['a connection closed', 'endpoint closed'])
})

test('a shutdown that fails does not stop the others', async (t) => {
  const server = await bind(t)
  const errors: unknown[] = []
  server.on('handlerError', (error) => errors.push(error))
  let other = false
  const router = Router.builder(server)
    .accept('a', {
      accept: echo,
      shutdown: () => {
        throw new Error('broken')
      },
    })
    .accept('b', {
      accept: echo,
      shutdown: () => {
        other = true
      },
    })
    .spawn()
  await router[Symbol.asyncDispose]()
  t.true(other)
  t.is((errors[0] as Error).message, 'broken')
})

test('closing the endpoint shuts the router, and shutdown after it resolves', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  const router = Router.builder(server).accept('a', echo).spawn()
  const connection = await client.connect(server.addr, 'a')
  await connection.request('x')
  await server.close()
  t.true(router.isShutdown)
  await router.shutdown()
  t.is((await connection.closed).by, 'remote')
})

test('setAlpns goes on while the router runs; a name without a handler is closed with a reason', async (t) => {
  const server = await bind(t)
  const client = await bind(t)
  Router.builder(server).accept('a', echo).spawn()
  server.setAlpns(['b', 'a'])
  t.is(text(await (await client.connect(server.addr, 'a')).request('tea')), 'tea')
  const end = await (await client.connect(server.addr, 'b')).closed
  t.deepEqual([end.by, end.code, end.reason], ['remote', 0n, 'unknown alpn'])
})
