// Connections of a client: dialed, kept, replaced, closed.
import test from 'ava'
import type { BiStream, Connection } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'
import { acceptOne, bind } from '../helpers/pair.js'
import { ALPN, codeOf, failure, serveOf, serveTea, Tea, teaClient, teaHandlers } from './tea.js'

const Who = r.service({
  Who: r.unary(r.unit, r.u32),
  Once: r.unary(r.unit, r.u32).idempotent(),
  Wait: r.unary(r.unit, r.unit),
  Note: r.notify(r.u32),
})

/** Handlers that tell which connection they serve. */
function numbered(connections: Connection[], notes: number[] = []) {
  return (connection: Connection): r.Handlers<typeof Who> => {
    const number = connections.push(connection)
    return { Who: () => number, Once: () => number, Wait: () => new Promise(() => {}), Note: (n) => void notes.push(n) }
  }
}

test('calls share one connection, dialed when first used', async (t) => {
  const connections: Connection[] = []
  const { dialer, server } = await serveOf(t, Who, numbered(connections))
  const who = r.client(Who, dialer, server.addr, ALPN)
  t.is(connections.length, 0)
  t.deepEqual(await Promise.all([who.Who(), who.Who(), who.Who()]), [1, 1, 1])
  await who.close()
  t.is(codeOf(await failure(who.Who())), 'LOCALLY_CLOSED')
})

test('connections: 2 spreads calls over two', async (t) => {
  const { dialer, server } = await serveOf(t, Who, numbered([]))
  const who = r.client(Who, dialer, server.addr, ALPN, { connections: 2 })
  const seen = await Promise.all(Array.from({ length: 8 }, () => who.Who()))
  t.deepEqual([...new Set(seen)].sort(), [1, 2])
  await who.close()
})

test('a connection that was closed is replaced for the next call', async (t) => {
  const connections: Connection[] = []
  const { dialer, server } = await serveOf(t, Who, numbered(connections))
  const who = r.client(Who, dialer, server.addr, ALPN)
  t.is(await who.Who(), 1)
  connections[0]?.close(0)
  await connections[0]?.closed
  // It may still look open at this side: a call of an idempotent method is retried then.
  t.is(await who.Once(), 2)
  t.is(await who.Who(), 2)
  await who.close()
})

test('a lost call is retried once if its method is idempotent, else it rejects', async (t) => {
  const starts: string[] = []
  const Fragile = r.service({ Safe: r.unary(r.unit, r.u32).idempotent(), Unsafe: r.unary(r.unit, r.u32) })
  let number = 0
  const { dialer, server } = await serveOf(t, Fragile, (connection) => {
    const mine = ++number
    const handler = (name: string) => () => {
      starts.push(`${name} ${mine}`)
      if (mine % 2 === 0) return mine
      connection.close(0)
      return new Promise<number>(() => {})
    }
    return { Safe: handler('safe'), Unsafe: handler('unsafe') }
  })
  const fragile = r.client(Fragile, dialer, server.addr, ALPN)
  t.is(await fragile.Safe(), 2)
  t.deepEqual(starts, ['safe 1', 'safe 2'])
  const other = r.client(Fragile, dialer, server.addr, ALPN)
  const error = await failure(other.Unsafe())
  t.is(error.code, 'CONNECTION_CLOSED')
  t.deepEqual(starts, ['safe 1', 'safe 2', 'unsafe 3'])
  await Promise.all([fragile.close(), other.close()])
})

test('a client over a given connection does not dial, and says when that is over', async (t) => {
  const connections: Connection[] = []
  const { dialer, server } = await serveOf(t, Who, numbered(connections))
  const connection = await dialer.connect(server.addr, ALPN)
  const who = r.client(Who, connection)
  t.is(await who.Who(), 1)
  connection.close(0)
  t.is((await failure(who.Who())).code, 'LOCALLY_CLOSED')
  t.is((await failure(who.Once())).code, 'LOCALLY_CLOSED')
  t.is(connections.length, 1)
  await who.close()
})

test('an unused connection is closed after idleCloseMs', async (t) => {
  const connections: Connection[] = []
  const { dialer, server } = await serveOf(t, Who, numbered(connections))
  const who = r.client(Who, dialer, server.addr, ALPN, { idleCloseMs: 20 })
  t.is(await who.Who(), 1)
  const { code } = (await connections[0]?.closed) ?? {}
  t.is(code, 0n)
  t.is(await who.Who(), 2)
  await who.close()
})

test('close waits for calls under way and for notifies that are not acknowledged', async (t) => {
  const notes: number[] = []
  const { dialer, server } = await serveOf(t, Who, numbered([], notes), { headOfLineMs: 60_000, requestTimeoutMs: 120_000 })
  const who = r.client(Who, dialer, server.addr, ALPN, { drainMs: 120_000 })
  await who.Who()
  for (let n = 0; n < 1_000; n++) void who.Note(n)
  await who.close()
  while (notes.length < 1_000) await new Promise((resolve) => setImmediate(resolve))
  // In the order of the calls.
  t.deepEqual(
    notes,
    Array.from({ length: 1_000 }, (_, n) => n),
  )
})

test('close waits until the updates of a notify stream have arrived', async (t) => {
  const Pushed = r.service({ Push: r.notifyStream(r.unit, r.bytes) })
  const [server, dialer] = [await bind(t, { alpns: [ALPN] }), await bind(t)]
  const client = r.client(Pushed, dialer, server.addr, ALPN, { drainMs: 120_000 })
  const closed = client.Push(Array.from({ length: 30 }, () => new Uint8Array(60_000))).then(() => client.close())
  const stream = await (await acceptOne(server)).acceptBi()
  let bytes = 0
  // What has arrived can be read behind the close, up to the good end.
  for await (const chunk of (stream as BiStream).recv) bytes += chunk.length
  await closed
  t.is(bytes, 2 + 30 * 60_006)
})

test('close waits drainMs at most, and what is left rejects', async (t) => {
  const { dialer, server } = await serveOf(t, Who, numbered([]))
  const who = r.client(Who, dialer, server.addr, ALPN, { drainMs: 50 })
  await who.Who()
  const stuck = failure(who.Wait())
  await who.close()
  t.is((await stuck).code, 'LOCALLY_CLOSED')
})

test('a dial that fails rejects the call with its code and the method', async (t) => {
  const { dialer } = await serveOf(t, Who, numbered([]))
  const error = await failure(r.client(Who, dialer, dialer.id, ALPN).Who())
  t.is(error.code, 'SELF_DIAL')
  t.is(error.method, 'Who')
})

test('answers are cold and can be iterated over once', async (t) => {
  const served = await serveTea(t)
  const tea = teaClient(served)
  const answers = tea.List()
  t.is(answers[Symbol.asyncIterator](), answers)
  t.throws(() => answers[Symbol.asyncIterator](), { instanceOf: TypeError })
  // Nobody was dialed for it.
  t.deepEqual(await answers.return(), { done: true, value: undefined })
  t.deepEqual(await answers.next(), { done: true, value: undefined })
  t.is(served.server.metrics().quic_connections_open, 0)
  await tea.close()
})

test('wrong arguments are TypeErrors before anything is done', async (t) => {
  const { dialer, server } = await serveOf(t, Who, numbered([]))
  t.throws(() => r.client({} as never, dialer, server.addr, ALPN), { instanceOf: TypeError })
  t.throws(() => r.client(Who, {} as never, server.addr, ALPN), { instanceOf: TypeError })
  t.throws(() => r.client(Who, dialer, 'nonsense', ALPN), { instanceOf: TypeError })
  t.throws(() => r.client(Who, dialer, server.addr, ''), { instanceOf: RangeError })
  t.throws(() => r.client(Who, dialer, server.addr, ALPN, { connections: 0 }), { instanceOf: RangeError })
  t.throws(() => r.serve(Tea, { ...teaHandlers(), Get: undefined } as never), {
    instanceOf: TypeError,
    message: 'handlers.Get: expected a function',
  })
  t.throws(() => r.serve(Tea, teaHandlers(), { early: 1 as never }), { instanceOf: TypeError })
  const tea = r.client(Tea, dialer, server.addr, ALPN)
  await t.throwsAsync(tea.Get({ key: 'x' }, { timeoutMs: -1 }), { instanceOf: RangeError })
  await t.throwsAsync(tea.Div([1n, 2n ** 64n]), { instanceOf: RangeError })
})
