// The order of calls, and what is told of them.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import test from 'ava'
import * as r from '../../ts/rpc/index.js'
import { ALPN, failure, serveOf, serveTea, teaClient } from './tea.js'

test.serial('handlers start in the order of the calls, whatever their patterns', async (t) => {
  const started: string[] = []
  const Mixed = r.service({
    Note: r.notify(r.u32),
    Ask: r.unary(r.u32, r.u32),
    List: r.serverStream(r.u32, r.u32),
    Fill: r.clientStream(r.u32, r.u32, r.u32),
  })
  const see = (name: string, n: number) => started.push(`${name} ${n}`)
  const { dialer, server } = await serveOf(
    t,
    Mixed,
    {
      Note: (n) => void see('Note', n),
      Ask: (n) => see('Ask', n),
      List: (n) => [see('List', n)],
      Fill: async (n, updates) => {
        see('Fill', n)
        for await (const _ of updates);
        return n
      },
    },
    // One that is held up for longer would lose its place.
    { headOfLineMs: 60_000, requestTimeoutMs: 120_000 },
  )
  const mixed = r.client(Mixed, dialer, server.addr, ALPN, { drainMs: 0 })
  await mixed.Ask(0)
  const expected = ['Ask 0']
  const calls: Promise<unknown>[] = []
  for (let n = 1; n < 20; n++) {
    calls.push(mixed.Note(n), mixed.List(n).next(), mixed.Ask(n), mixed.Fill(n, [1]))
    for (const name of ['Note', 'List', 'Ask', 'Fill']) expected.push(`${name} ${n}`)
  }
  await Promise.all(calls)
  // Behind all of them.
  await mixed.Ask(20)
  t.deepEqual(started, [...expected, 'Ask 20'])
  await mixed.close()
})

test.serial('the diagnostics channel tells of starts and ends at both sides', async (t) => {
  const served = await serveTea(t, (handlers) => ({
    ...handlers,
    Set: () => {
      throw new Error('no')
    },
  }))
  const tea = teaClient(served)
  await tea.Get({ key: 'warm' })
  const events: string[] = []
  const listen = (message: unknown) => {
    const { phase, side, method, bytes, ms, code } = message as Record<string, unknown>
    events.push(`${side} ${phase} ${method} ${bytes} ${phase === 'end' ? `${typeof ms} ${code}` : ''}`.trim())
  }
  subscribe('gaiwan:rpc:call', listen)
  t.teardown(() => unsubscribe('gaiwan:rpc:call', listen))
  await tea.Get({ key: 'hello' })
  await failure(tea.Set({ key: '', value: new Uint8Array(0) }))
  for await (const _ of tea.List());
  t.deepEqual(
    events.filter((line) => line.startsWith('client')),
    [
      'client start Get 8',
      'client end Get 8 number null',
      'client start Set 4',
      'client end Set 4 number RPC_HANDLER_FAILED',
      'client start List 2',
      'client end List 2 number null',
    ],
  )
  t.true(events.includes('server start Get 7'))
  t.true(events.includes('server end Set 3 number FAILED'))
  await tea.close()
})
