// The table of `docs/wire/rpc.md`, "What an attacker may try", row by row, and the limits of both sides.
import test from 'ava'
import { type BiStream, type Connection, GaiwanError } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'
import { until } from '../helpers/pair.js'
import { ALPN, codeOf, failure, hex, type Served, serveOf, serveTea, teaClient, unhex } from './tea.js'

const GET = '07000568656c6c6f'
const WORLD = '070105776f726c64'
const dial = ({ dialer, server }: Pick<Served, 'dialer' | 'server'>) => dialer.connect(server.addr, ALPN)
async function ask(connection: Connection, bytes = GET): Promise<string> {
  const { send, recv } = await connection.openBi()
  await send.write(unhex(bytes))
  await send.finish()
  return hex(await recv.readToEnd(100))
}
/** Of the whole process: tests that look at it run alone. */
const rssMiB = () => process.memoryUsage().rss / 2 ** 20

test.serial('prefixes that claim 16 MiB on 60 streams cost nothing and hold nobody up for long', async (t) => {
  const served = await serveTea(t, undefined, { headOfLineMs: 20, requestTimeoutMs: 300, maxBadRequests: 1_000 })
  const connection = await dial(served)
  await ask(connection)
  const before = rssMiB()
  const streams: BiStream[] = []
  for (let n = 0; n < 60; n++) {
    const stream = await connection.openBi()
    await stream.send.write(unhex('80808008'))
    streams.push(stream)
  }
  t.is(await ask(connection), WORLD)
  t.true(rssMiB() - before < 64, `${rssMiB() - before} MiB`)
  t.deepEqual(await Promise.all(streams.map(async ({ recv }) => hex(await recv.readToEnd(10)))), Array(60).fill('91'))
  t.deepEqual(await Promise.all(streams.map(({ send }) => send.stopped)), Array(60).fill(17n))
  t.is(await ask(connection), WORLD)
  connection.close()
})

test('bytes of unfinished requests are bounded: what goes over is refused as busy', async (t) => {
  const served = await serveTea(t, undefined, { maxPendingBytes: 256 * 1024, headOfLineMs: 10, requestTimeoutMs: 120_000 })
  const connection = await dial(served)
  const parts: BiStream[] = []
  for (let n = 0; n < 4; n++) {
    const stream = await connection.openBi()
    await stream.send.write(unhex('80808008'))
    await stream.send.write(new Uint8Array(100 * 1024))
    parts.push(stream)
  }
  const refused = await Promise.race(parts.map(async ({ recv }) => hex(await recv.readToEnd(10))))
  t.is(refused, '92')
  t.is(await ask(connection), WORLD)
  connection.close()
})

test('15 bad requests are borne, the 16th closes the connection with code 2, and nothing is logged', async (t) => {
  const warnings: unknown[] = []
  const listen = (warning: unknown) => warnings.push(warning)
  process.on('warning', listen)
  t.teardown(() => process.off('warning', listen))
  const served = await serveTea(t)
  const connection = await dial(served)
  const bad = ['0163', '07000568', '', '01', '0200ff']
  for (let n = 0; n < 15; n++) t.is(await ask(connection, bad[n % bad.length]), '91', `${n}`)
  t.is(await ask(connection), WORLD)
  t.regex(String(codeOf(await ask(connection, '0163').catch((error: unknown) => error))), /^CONNECTION_CLOSED$|undefined/)
  const { code, by } = await connection.closed
  t.deepEqual({ code, by }, { code: 2n, by: 'remote' })
  t.deepEqual(warnings, [])
})

test('a silent stream loses its place after headOfLineMs and later ones go on', async (t) => {
  const served = await serveTea(t, undefined, { headOfLineMs: 1_500, requestTimeoutMs: 4_000 })
  const connection = await dial(served)
  const silent = await connection.openBi()
  const started = performance.now()
  t.is(await ask(connection), WORLD)
  const first = performance.now() - started
  t.true(first >= 1_400, `${first} ms`)
  // Its place is lost: nobody waits for it again. Whoever did would wait each time; a machine that stalls does not.
  let least = Number.POSITIVE_INFINITY
  for (let n = 0; n < 5; n++) {
    const again = performance.now()
    t.is(await ask(connection), WORLD)
    least = Math.min(least, performance.now() - again)
  }
  t.true(least < 1_400, `${least} ms`)
  t.is(hex(await silent.recv.readToEnd(10)), '91')
  connection.close()
})

test("order: 'arrival' waits for nobody", async (t) => {
  const served = await serveTea(t, undefined, { order: 'arrival', headOfLineMs: 60_000, requestTimeoutMs: 120_000 })
  const connection = await dial(served)
  const half = await connection.openBi()
  await half.send.write(unhex('0700'))
  t.is(await ask(connection), WORLD)
  await half.send.write(unhex('0568656c6c6f'))
  await half.send.finish()
  t.is(hex(await half.recv.readToEnd(100)), WORLD)
  connection.close()
})

test('a late request whose place is lost is still served if it comes in time', async (t) => {
  const served = await serveTea(t, undefined, { headOfLineMs: 10, requestTimeoutMs: 120_000 })
  const connection = await dial(served)
  const late = await connection.openBi()
  await late.send.write(unhex('0700'))
  t.is(await ask(connection), WORLD)
  await late.send.write(unhex('0568656c6c6f'))
  await late.send.finish()
  t.is(hex(await late.recv.readToEnd(100)), WORLD)
  connection.close()
})

test('handlers at once are limited; more are RPC_BUSY, and room is given back', async (t) => {
  let release!: () => void
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const served = await serveTea(t, (handlers) => ({ ...handlers, Set: () => held }), { maxConcurrent: 2 })
  const tea = teaClient(served)
  const value = new Uint8Array(0)
  const running = [tea.Set({ key: '1', value }), tea.Set({ key: '2', value })]
  t.is((await failure(tea.Get({ key: 'x' }))).code, 'RPC_BUSY')
  release()
  await Promise.all(running)
  t.is(await tea.Get({ key: 'x' }), 'world')
  await tea.close()
})

test('the limits of a method hold at both sides', async (t) => {
  const Small = r.service({
    Put: r.unary(r.bytes, r.bytes).limit({ maxRequestBytes: 100, maxAnswerBytes: 50 }),
    Other: r.unary(r.bytes, r.u32),
    Many: r.bidiStream(r.unit, r.bytes, r.bytes).limit({ maxUpdateBytes: 20, maxAnswerBytes: 20 }),
  })
  const { dialer, server } = await serveOf(
    t,
    Small,
    {
      Put: (bytes) => new Uint8Array(bytes.length),
      Other: (bytes) => bytes.length,
      async *Many(_, updates) {
        for await (const update of updates) yield new Uint8Array((update[0] ?? 0) + 1)
      },
    },
    { onError: () => {} },
  )
  const small = r.client(Small, dialer, server.addr, ALPN)
  t.is((await small.Put(new Uint8Array(49))).length, 49)
  // Ours, before a stream is opened.
  t.is((await failure(small.Put(new Uint8Array(99)))).applicationCode, undefined)
  t.is((await failure(small.Put(new Uint8Array(99)))).code, 'RPC_TOO_LARGE')
  // The server's own answer.
  t.is((await failure(small.Put(new Uint8Array(60)))).code, 'RPC_TOO_LARGE')
  const connection = await dialer.connect(server.addr, ALPN)
  // A peer that does not know the limit of this method.
  t.is(await ask(connection, `8201${'00'}8001${'00'.repeat(127)}`), '81')
  {
    await using call = await small.Many.open()
    await call.send(Uint8Array.of(3))
    t.is((await call.answer.next()).value?.length, 4)
    t.is((await failure(call.send(new Uint8Array(21)))).code, 'RPC_TOO_LARGE')
    await call.send(Uint8Array.of(200))
    t.is((await failure(call.answer.next())).code, 'RPC_TOO_LARGE')
  }
  connection.close()
  await small.close()
})

test('a peer that reads nothing stops the producer, and callTimeoutMs bounds how long', async (t) => {
  let produced = 0
  const served = await serveTea(
    t,
    (handlers, journal) => ({
      ...handlers,
      async *Misbehave() {
        try {
          for (;;) {
            produced++
            yield new Uint8Array(64 * 1024)
          }
        } finally {
          journal.add('returned')
        }
      },
    }),
    { callTimeoutMs: 400 },
  )
  const connection = await dial(served)
  const { send } = await connection.openBi()
  await send.write(unhex('020904'))
  await send.finish()
  await served.journal.until('returned')
  t.true(produced <= 26, `${produced}`)
  t.is(await ask(connection), WORLD)
  connection.close()
})

test('a handler that reads no updates holds the source back', async (t) => {
  let release!: () => void
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const served = await serveTea(t, (handlers) => ({
    ...handlers,
    async SetMany(_, updates) {
      await held
      let count = 0n
      for await (const _pair of updates) count++
      return count
    },
  }))
  const tea = teaClient(served)
  let pulled = 0
  function* rows(): Generator<[string, string]> {
    const text = 'x'.repeat(64 * 1024)
    while (pulled < 100) {
      pulled++
      yield ['k', text]
    }
  }
  const count = tea.SetMany(rows())
  await until(() => pulled >= 15)
  let seen = -1
  while (seen !== pulled) {
    seen = pulled
    for (let n = 0; n < 20; n++) await tea.Get({ key: 'x' })
  }
  t.true(pulled < 30, `${pulled}`)
  release()
  t.is(await count, 100n)
  await tea.close()
})

test.serial('200,000 updates and as many answers pass in flat memory', async (t) => {
  const served = await serveTea(t)
  const tea = teaClient(served)
  function* numbers() {
    for (let n = 0; n < 200_000; n++) yield 1n
  }
  let last = 0n
  let count = 0
  let most = 0
  const before = rssMiB()
  for await (const total of tea.Sum({ start: 0n }, numbers())) {
    last = total
    if (++count % 10_000 === 0) most = Math.max(most, rssMiB() - before)
  }
  t.is(last, 200_000n)
  t.true(most < 150, `${most} MiB`)
  await tea.close()
})

test('2,000 calls that are opened and cancelled give their streams back', async (t) => {
  const served = await serveTea(
    t,
    (handlers) => ({
      ...handlers,
      Set: () => new Promise(() => {}),
    }),
    { maxConcurrent: 1_000_000 },
  )
  const tea = teaClient(served)
  for (let n = 0; n < 1_000; n++) {
    const abort = new AbortController()
    const call = tea.Get({ key: 'x' }, { signal: abort.signal }).catch(() => {})
    if (n % 2 === 0) await null
    abort.abort()
    await call
    const answers = tea.List()
    await answers.next()
    await answers.return()
  }
  // Of 100 streams QUIC may keep an eighth back: it tells of new credit in steps of that size.
  const CERTAIN = 80
  const many = await Promise.all(Array.from({ length: CERTAIN }, () => tea.Sum.open({ start: 0n })))
  for (const call of many) await call.send(1n)
  t.deepEqual(await Promise.all(many.map(async ({ answer }) => (await answer.next()).value)), Array(CERTAIN).fill(1n))
  for (const call of many) call.cancel()
  t.is(await tea.Get({ key: 'x' }), 'world')
  await tea.close()
})

test('a call that waits for stream credit can be aborted, and the rest go on', async (t) => {
  let release!: () => void
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let count = 0
  let all!: () => void
  const arrived = new Promise<void>((resolve) => {
    all = resolve
  })
  const served = await serveTea(t, (handlers) => ({
    ...handlers,
    Set: () => {
      if (++count === 100) all()
      return held
    },
  }))
  const tea = teaClient(served)
  const value = new Uint8Array(0)
  const running = Array.from({ length: 100 }, (_, n) => tea.Set({ key: `${n}`, value }))
  const abort = new AbortController()
  const unary = tea.Get({ key: 'x' }, { signal: abort.signal }).then(undefined, (error: unknown) => error)
  const stream = tea
    .List({ signal: abort.signal })
    .next()
    .then(undefined, (error: unknown) => error)
  const patient = tea.Get({ key: 'x' })
  // All 100 have arrived; what comes after them has no stream.
  await arrived
  abort.abort('gone')
  t.deepEqual(await Promise.all([unary, stream]), ['gone', 'gone'])
  release()
  await Promise.all(running)
  t.is(await patient, 'world')
  await tea.close()
})

test('a factory that refuses closes the connection with its code before any request is read', async (t) => {
  const started: string[] = []
  const { dialer, server } = await serveOf(t, r.service({ Get: r.unary(r.unit, r.u32) }), async (connection) => {
    await null
    if (connection.remoteId === dialer.id) throw new GaiwanError('NOT_ALLOWED', 'no', { applicationCode: 403 })
    return { Get: () => started.push('Get') }
  })
  const connection = await dialer.connect(server.addr, ALPN)
  const asked = ask(connection, '0100').catch(() => 'refused')
  const { code } = await connection.closed
  t.is(code, 403n)
  t.is(await asked, 'refused')
  t.deepEqual(started, [])
})

test('a shutdown refuses new calls, lets those under way end, and waits until their answers have arrived', async (t) => {
  const Slow = r.service({ Get: r.unary(r.u32, r.bytes), Ping: r.unary(r.unit, r.unit) })
  const asked = new Map<number, (answer: Uint8Array) => void>()
  const { dialer, server, router } = await serveOf(
    t,
    Slow,
    { Get: (n) => new Promise<Uint8Array>((resolve) => asked.set(n, resolve)), Ping: () => {} },
    { drainMs: 60_000 },
  )
  const slow = r.client(Slow, dialer, server.addr, ALPN, { drainMs: 0 })
  const [small, large] = [slow.Get(1), slow.Get(2)]
  await until(() => asked.size === 2)
  const down = router.shutdown()
  // The service hears of it by way of native code.
  let refused: unknown
  while (refused === undefined) refused = await slow.Ping().then(() => undefined, codeOf)
  t.is(refused, 'RPC_SHUTTING_DOWN')
  asked.get(1)?.(new Uint8Array(1))
  t.is((await small).length, 1)
  asked.get(2)?.(new Uint8Array(3_000_000))
  t.is((await large).length, 3_000_000)
  await down
  await slow.close()
})

test('a shutdown aborts what is left after drainMs, and the caller hears of it', async (t) => {
  const served = await serveTea(
    t,
    (handlers, journal) => ({
      ...handlers,
      Get: () => new Promise(() => journal.add('asked')),
      Set: (_, { signal }) =>
        new Promise<void>(() => {
          signal.addEventListener('abort', () => journal.add(`Set ${codeOf(signal.reason)}`))
          journal.add('asked twice')
        }),
      async *List() {
        yield ['a', 1n]
        await new Promise(() => {})
      },
    }),
    { drainMs: 100 },
  )
  const tea = teaClient(served, { drainMs: 0 })
  const stuck = [failure(tea.Get({ key: 'x' })), failure(tea.Set({ key: '', value: new Uint8Array(0) }))]
  const list = tea.List()
  await list.next()
  stuck.push(failure(list.next()))
  await served.journal.until('asked')
  await served.journal.until('asked twice')
  await served.router.shutdown()
  t.deepEqual(
    (await Promise.all(stuck)).map(({ code }) => code),
    Array(3).fill('RPC_SHUTTING_DOWN'),
  )
  t.true(served.journal.lines.includes('Set RPC_SHUTTING_DOWN'))
  await tea.close()
})

test('around sees every call, can refuse it as busy, and the context tells who calls', async (t) => {
  const seen: string[] = []
  const served = await serveTea(t, undefined, {
    around: async ({ method, remoteId, connection, early, trace, state }, next) => {
      state.count = Number(state.count ?? 0) + 1
      seen.push(`${method} ${remoteId === served.dialer.id} ${connection !== null} ${early} ${Object.keys(trace).length} ${state.count}`)
      if (method === 'Set') throw new GaiwanError('RPC_BUSY', 'not so fast')
      await next()
      seen.push(`${method} done`)
    },
  })
  const tea = teaClient(served)
  t.is(await tea.Get({ key: 'x' }), 'world')
  for await (const _ of tea.List());
  t.is((await failure(tea.Set({ key: '', value: new Uint8Array(0) }))).code, 'RPC_BUSY')
  t.deepEqual(seen, ['Get true true false 0 1', 'Get done', 'List true true false 0 2', 'List done', 'Set true true false 0 3'])
  await tea.close()
})
