// In process: the same client, the same ends.
import test from 'ava'
import * as r from '../../ts/rpc/index.js'
import { codeOf, failure, Journal, Tea, type TeaHandlers, teaHandlers } from './tea.js'

const caught = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => error,
  )

function localTea(
  change: (handlers: TeaHandlers, journal: Journal) => TeaHandlers = (handlers) => handlers,
  options: Parameters<typeof r.local>[2] = {},
) {
  const journal = new Journal()
  return { journal, tea: r.local(Tea, change(teaHandlers(journal), journal), options) }
}

for (const encode of [false, true]) {
  const name = encode ? 'local with codecs' : 'local'

  test(`${name}: every pattern does what it does over a network`, async (t) => {
    const { tea, journal } = localTea(undefined, { encode })
    t.is(await tea.Get({ key: 'hello' }), 'world')
    t.is(await tea.Get({ key: '' }), undefined)
    t.deepEqual(await tea.Div([7n, 2n]), { ok: true, value: 3n })
    const rows: unknown[] = []
    for await (const row of tea.List()) rows.push(row)
    t.is(rows.length, 3)
    t.is(await tea.SetMany([['a', 'b']]), 1n)
    const totals: bigint[] = []
    for await (const total of tea.Sum({ start: 10n }, [1n, -2n])) totals.push(total)
    t.deepEqual(totals, [11n, 9n])
    await tea.Log('hi')
    await tea.Push([1, 2])
    await journal.until('Push 1,2')
    t.is(await tea.Late(Promise.resolve('tea')), 3n)
    t.is(await tea.First([7n, 8n]), 7n)
    {
      await using call = await tea.Sum.open({ start: 0n })
      await call.send(2n)
      t.is((await call.answer.next()).value, 2n)
    }
    await journal.until('Sum RPC_CANCELLED')
    await tea.close()
    t.is(codeOf(await caught(tea.Get({ key: '' }))), 'LOCALLY_CLOSED')
  })

  test(`${name}: a throw is RPC_HANDLER_FAILED, and items before it arrive`, async (t) => {
    const { tea } = localTea(
      (handlers) => ({
        ...handlers,
        Get: () => {
          throw new Error('secret')
        },
        Set: async () => {
          throw new Error('secret')
        },
        *List() {
          yield ['a', 1n]
          throw new Error('secret')
        },
      }),
      { encode },
    )
    t.is((await failure(tea.Get({ key: '' }))).code, 'RPC_HANDLER_FAILED')
    const error = await failure(tea.Set({ key: '', value: new Uint8Array(0) }))
    t.deepEqual([error.code, error.method, error.applicationCode], ['RPC_HANDLER_FAILED', 'Set', 16n])
    t.false(String(error.stack).includes('secret'))
    const answers = tea.List()
    t.deepEqual(await answers.next(), { done: false, value: ['a', 1n] })
    t.is((await failure(answers.next())).code, 'RPC_HANDLER_FAILED')
  })

  test(`${name}: signals, deadlines and leaving cancel at both sides`, async (t) => {
    const { tea, journal } = localTea(
      (handlers, lines) => ({
        ...handlers,
        Get: (_, { signal }) => new Promise(() => signal.addEventListener('abort', () => lines.add(`Get ${codeOf(signal.reason)}`))),
        async *List() {
          try {
            for (let n = 0n; ; n++) yield ['n', n]
          } finally {
            lines.add('returned')
          }
        },
      }),
      { encode },
    )
    const abort = new AbortController()
    const call = caught(tea.Get({ key: '' }, { signal: abort.signal }))
    abort.abort('enough')
    t.is(await call, 'enough')
    await journal.until('Get RPC_CANCELLED')
    t.is((await failure(tea.Get({ key: '' }, { timeoutMs: 5 }))).code, 'RPC_DEADLINE')
    for await (const [, n] of tea.List()) if (n === 100n) break
    await journal.until('returned')
    const broken = new Error('broken')
    t.is(
      await caught(
        tea.SetMany(
          (function* () {
            yield ['a', 'b'] as const
            throw broken
          })(),
        ),
      ),
      broken,
    )
    await journal.until('SetMany 1 RPC_CANCELLED')
    t.true(journal.lines.includes('returned'))
  })
}

test('a stream in process holds so many values and no more', async (t) => {
  let produced = 0
  const { tea } = localTea(
    (handlers) => ({
      ...handlers,
      *List() {
        for (;;) yield ['n', BigInt(produced++)]
      },
    }),
    { capacity: 4 },
  )
  const answers = tea.List()
  t.is((await answers.next()).value?.[1], 0n)
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve))
  t.true(produced <= 6, `${produced}`)
  await answers.return()
})

test('values pass as they are, and with codecs as copies', async (t) => {
  const Echo = r.service({ Echo: r.unary(r.bytes, r.bytes) })
  const handlers: r.Handlers<typeof Echo> = { Echo: (bytes) => bytes }
  const bytes = Uint8Array.of(1, 2, 3)
  t.is(await r.local(Echo, handlers).Echo(bytes), bytes)
  const copied = await r.local(Echo, handlers, { encode: true }).Echo(bytes)
  t.not(copied, bytes)
  t.deepEqual([...copied], [...bytes])
  t.is((await failure(r.local(Echo, handlers, { encode: true }).Echo('no' as never))).code, 'RPC_ENCODE')
})

test('handlers see no connection and the id that was given', async (t) => {
  const Who = r.service({ Who: r.unary(r.unit, r.str) })
  const handlers: r.Handlers<typeof Who> = { Who: (_, { remoteId, connection }) => `${connection} ${remoteId}` }
  const id = 'ab'.repeat(32)
  t.is(await r.local(Who, handlers, { id }).Who(), `null ${id}`)
})

test('500,000 calls in process take less than a second on a quiet machine, here less than ten', async (t) => {
  const Small = r.service({ Echo: r.unary(r.u32, r.u32) })
  const { Echo } = r.local(Small, { Echo: (n) => n })
  // Time of ours alone: how long others have the machine is not ours to say.
  const started = process.cpuUsage()
  let sum = 0
  for (let n = 0; n < 500_000; n++) sum += await Echo(1)
  t.is(sum, 500_000)
  const { user, system } = process.cpuUsage(started)
  t.true(user + system < 10_000_000, `${user + system} us`)
})
