// Every pattern of rpc against irpc 0.17, in both directions.
import test from 'ava'
import * as r from '../../ts/rpc/index.js'
import { callsRust, rustCalls, rustServes, SPAN_ALPN, SpanTea } from './rpc-tea.js'

async function collect<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const answer of answers) all.push(answer)
  return all
}

async function* slowly<T>(...items: T[]): AsyncGenerator<T> {
  for (const item of items) {
    await new Promise((resolve) => setImmediate(resolve))
    yield item
  }
}

test('we call a Rust unary method: an option, nothing at all, a result', async (t) => {
  const { tea } = await callsRust(t)
  t.is(await tea.Get({ key: 'hello' }), 'world')
  t.is(await tea.Get({ key: '' }), undefined)
  t.is(await tea.Set({ key: 'k', value: new TextEncoder().encode('tea') }), undefined)
  t.is(await tea.Get({ key: 'k' }), 'tea')
  t.like(await tea.Div([7n, 2n]), { ok: true, value: 3n })
  t.like(await tea.Div([1n, 0n]), { ok: false, error: 'division by zero' })
})

test('a Rust client calls our unary methods: an option, nothing at all, a result', async (t) => {
  const { rust, notes } = await rustCalls(t)
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
  t.is(await rust.ask('Get', { key: '' }), null)
  t.is(await rust.ask('Set', { key: 'k', value: '00ff' }), null)
  t.is(await notes.hears('Set'), 'Set k 2')
  t.deepEqual(await rust.ask('Div', ['7', '2']), { Ok: '3' })
  t.deepEqual(await rust.ask('Div', ['1', '0']), { Err: 'division by zero' })
})

test('our handler knows which Rust endpoint calls', async (t) => {
  const { rust, id } = await rustCalls(t)
  t.is(await rust.ask('Get', { key: 'who' }), id)
})

test('we read a Rust server stream to its end', async (t) => {
  const { tea } = await callsRust(t)
  t.deepEqual(await collect(tea.List()), [
    ['a', 1n],
    ['b', 300n],
    ['c', 2n ** 64n - 1n],
  ])
})

test('a Rust client reads our server stream to its end', async (t) => {
  const { rust } = await rustCalls(t)
  t.deepEqual(await rust.run('List'), [
    ['a', '1'],
    ['b', '300'],
    ['c', '18446744073709551615'],
  ])
})

test('we stream to Rust from an array, from a generator, by hand, and nothing at all', async (t) => {
  const { server, tea } = await callsRust(t)
  const rows: readonly (readonly [string, string])[] = [
    ['a', '1'],
    ['b', '2'],
  ]
  t.is(await tea.SetMany(rows), 2n)
  t.is(await server.hears('SetMany'), 'SetMany 2 None')
  t.is(await tea.SetMany(slowly(...rows, ...rows)), 4n)
  t.is(await tea.SetMany([]), 0n)
  const call = await tea.SetMany.open()
  await call.send(['c', '3'])
  await call.finish()
  t.is(await call.answer, 1n)
  t.is(await tea.Get({ key: 'c' }), '3')
})

test('a Rust client streams to us, also nothing at all', async (t) => {
  const { rust, notes } = await rustCalls(t)
  t.is(
    await rust.ask('SetMany', null, [
      ['a', '1'],
      ['b', '2'],
    ]),
    '2',
  )
  t.is(await notes.hears('SetMany'), 'SetMany 2 end')
  t.is(await rust.ask('SetMany'), '0')
  t.is(await rust.ask('Get', { key: 'b' }), '2')
})

test('a bidi stream to Rust answers each update before the next is sent', async (t) => {
  const { server, tea } = await callsRust(t)
  t.deepEqual(await collect(tea.Sum({ start: 10n }, [1n, -2n, 300n])), [11n, 9n, 309n])
  t.is(await server.hears('Sum'), 'Sum end')
  const call = await tea.Sum.open({ start: -1n })
  const heard: (bigint | undefined)[] = []
  for (const term of [1n, -(2n ** 62n), 5n]) {
    await call.send(term)
    heard.push((await call.answer.next()).value)
  }
  await call.finish()
  t.deepEqual(heard, [0n, -(2n ** 62n), 5n - 2n ** 62n])
  t.true((await call.answer.next()).done)
})

test('a bidi stream from Rust is answered before its next update', async (t) => {
  const { rust, notes } = await rustCalls(t)
  const call = await rust.call('Sum', { start: '10' })
  const heard = []
  for (const term of ['1', '-2', '300']) {
    await call.send(term)
    heard.push(await call.next())
  }
  await call.finish()
  t.deepEqual(heard, ['11', '9', '309'])
  t.is(await call.next(), undefined)
  t.is(await notes.hears('Sum'), 'Sum end')
})

test('a delivered notify reaches the Rust handler, also when we close at once', async (t) => {
  const { server, tea } = await callsRust(t, { drainMs: 60_000 })
  await tea.Log('hi', { delivered: true })
  t.is(await server.hears('Log'), 'Log hi')
  await tea.Log('bye')
  await tea.close()
  t.is(await server.hears('Log'), 'Log bye')
})

test('a hundred notifies of Rust reach our handler in their order', async (t) => {
  // None loses its place for being late.
  const { rust, notes } = await rustCalls(t, { headOfLineMs: 60_000, requestTimeoutMs: 60_000 })
  const lines = Array.from({ length: 100 }, (_, n) => `Log ${n}`)
  for (let n = 0; n < 100; n++) await rust.run('Log', `${n}`)
  const heard: string[] = []
  while (heard.length < lines.length) heard.push(await notes.hears('Log'))
  t.deepEqual(heard, lines)
})

test('a hundred notifies of ours reach the Rust handler in their order', async (t) => {
  const { server, tea } = await callsRust(t)
  const lines = Array.from({ length: 100 }, (_, n) => `Log ${n}`)
  for (let n = 0; n < 100; n++) await tea.Log(`${n}`)
  const heard: string[] = []
  while (heard.length < lines.length) heard.push(await server.hears('Log'))
  t.deepEqual(heard, lines)
})

test('updates without an answer reach Rust, and us', async (t) => {
  const { server, tea } = await callsRust(t)
  await tea.Push([7, 200])
  t.is(await server.hears('Push'), 'Push [7, 200] None')
  const { rust, notes } = await rustCalls(t)
  t.deepEqual(await rust.run('Push', null, [7, 200]), [])
  t.is(await notes.hears('Push'), 'Push 7,200 end')
})

test('a single update reaches Rust, and us', async (t) => {
  const { server, tea } = await callsRust(t)
  t.is(await tea.Late('tea'), 3n)
  t.is(await server.hears('Late'), 'Late Ok("tea")')
  t.is(await tea.Late(Promise.resolve('é')), 2n)
  const { rust, notes } = await rustCalls(t)
  t.is(await rust.ask('Late', null, ['tea']), '3')
  t.is(await notes.hears('Late'), 'Late tea')
})

test('an answer that Rust gives before we are done is ours, and the source of updates is left', async (t) => {
  const { tea } = await callsRust(t)
  let leave = () => {}
  const left = new Promise<void>((resolve) => {
    leave = resolve
  })
  async function* endless(): AsyncGenerator<bigint> {
    try {
      for (let n = 5n; ; n++) {
        await new Promise((resolve) => setImmediate(resolve))
        yield n
      }
    } finally {
      leave()
    }
  }
  t.is(await tea.First(endless()), 5n)
  await left
})

test('in span mode we call Rust, with and without a trace', async (t) => {
  const { server, endpoint } = await rustServes(t)
  const plain = r.client(SpanTea, endpoint, server.addr, SPAN_ALPN)
  t.is(await plain.Get({ key: 'hello' }), 'world')
  await plain.close()
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const traced = r.client(SpanTea, endpoint, server.addr, SPAN_ALPN, { inject: () => ({ traceparent, tracestate: '' }) })
  t.is(await traced.Get({ key: 'hello' }), 'world')
  t.deepEqual(await collect(traced.Sum({ start: 1n }, [1n, 2n])), [2n, 4n])
  await traced.Log('traced', { delivered: true })
  t.is(await server.hears('Log'), 'Log traced')
  await traced.close()
})

test('in span mode Rust calls us, and a trace reaches the handler', async (t) => {
  const traces: Readonly<Record<string, string>>[] = []
  const { rust, connection, notes } = await rustCalls(t, { service: 'span', extract: (trace) => traces.push({ ...trace }) })
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
  t.deepEqual(await rust.run('Sum', { start: '1' }, ['1', '2']), ['2', '4'])
  await rust.run('Log', 'traced')
  t.is(await notes.hears('Log'), 'Log traced')
  t.deepEqual(traces, [{}, {}, {}])
  // The frame with two headers of vectors/rpc.json, whose tracestate is empty.
  const frame =
    '5901020b7472616365706172656e743730302d30616637363531393136636434336464383434386562323131633830333139632d' +
    '623761643662373136393230333333312d30310a7472616365737461746500000568656c6c6f'
  const { send, recv } = await connection.openBi()
  await send.write(Buffer.from(frame, 'hex'))
  await send.finish()
  t.is(Buffer.from(await recv.readBytes()).toString('hex'), '070105776f726c64')
  t.deepEqual(traces[3], { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: '' })
})
