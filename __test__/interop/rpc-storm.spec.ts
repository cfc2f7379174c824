// Thousands of calls of every pattern against irpc 0.17, some of them dropped at a random point: no connection is lost,
// and the credit for streams comes back whole.
import test, { type ExecutionContext } from 'ava'
import * as r from '../../ts/rpc/index.js'
import { rustCalls, rustServes, SPAN_ALPN, SpanTea, TEA_ALPN, Tea } from './rpc-tea.js'

type Test = ExecutionContext<unknown>
type TeaClient = r.Client<typeof Tea>

const CALLS = Number(process.env.GAIWAN_RPC_CALLS ?? 10_000)
const PARALLEL = 40
const CANCEL_PERCENT = 30
/** Streams at once: both stacks grant 100, of which an eighth may be on its way back (`quinn-proto`, `streams/state.rs`). */
const CREDIT = 100 - 13

/** xorshift32: the same calls for the same seed. */
function dice(seed: number): (bound: number) => number {
  let state = Math.imul(seed + 1, 0x9e3779b9) | 1
  return (bound) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  }
}

/** Thrown by us in the midst of a call. */
class Enough extends Error {}

/** Aborts with `Enough` after so many looks; never after none. */
class Cut {
  readonly #stop = new AbortController()
  #left: number

  constructor(looks: number | null) {
    this.#left = looks ?? Number.POSITIVE_INFINITY
    if (looks === 0) queueMicrotask(() => this.#stop.abort(new Enough()))
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  look(): void {
    if (--this.#left === 0) this.#stop.abort(new Enough())
  }

  *over<T>(items: readonly T[]): Generator<T> {
    for (const item of items) {
      this.look()
      yield item
    }
  }
}

async function collect<T>(answers: AsyncIterable<T>, cut: Cut): Promise<T[]> {
  const all: T[] = []
  for await (const answer of answers) {
    cut.look()
    all.push(answer)
  }
  return all
}

interface Pattern {
  readonly method: 'Get' | 'List' | 'SetMany' | 'Sum' | 'Log' | 'Push' | 'Late'
  /** Makes one call and looks at what comes back. */
  call(t: Test, tea: TeaClient, roll: (bound: number) => number, cut: Cut): Promise<boolean>
}

const rows = (count: number): (readonly [string, string])[] => Array.from({ length: count }, (_, n) => [`key ${n}`, 'value'] as const)

const PATTERNS: readonly Pattern[] = [
  {
    method: 'Get',
    call: async (t, tea, _, { signal }) => t.is(await tea.Get({ key: 'hello' }, { signal }), 'world'),
  },
  {
    method: 'List',
    call: async (t, tea, _, cut) => t.is((await collect(tea.List({ signal: cut.signal }), cut)).length, 3),
  },
  {
    method: 'SetMany',
    call: async (t, tea, roll, cut) => {
      const count = roll(5)
      return t.is(await tea.SetMany(cut.over(rows(count)), { signal: cut.signal }), BigInt(count))
    },
  },
  {
    method: 'Sum',
    call: async (t, tea, roll, cut) => {
      const terms = Array.from({ length: roll(5) }, () => BigInt(roll(1_000) - 500))
      let total = 7n
      const totals = terms.map((term) => {
        total += term
        return total
      })
      return t.deepEqual(await collect(tea.Sum({ start: 7n }, cut.over(terms), { signal: cut.signal }), cut), totals)
    },
  },
  { method: 'Log', call: async (t, tea, _, { signal }) => t.is(await tea.Log('a line', { signal }), undefined) },
  {
    method: 'Push',
    call: async (t, tea, roll, cut) => t.is(await tea.Push(cut.over([1, 2, 3].slice(roll(3))), { signal: cut.signal }), undefined),
  },
  { method: 'Late', call: async (t, tea, _, { signal }) => t.is(await tea.Late('oolong', { signal }), 6n) },
]

/** Makes the calls, so many at once. */
async function storm(t: Test, tea: TeaClient, { call }: Pattern): Promise<void> {
  let begun = 0
  let cancelled = 0
  const worker = async () => {
    while (begun < CALLS) {
      const roll = dice(begun++)
      const cut = new Cut(roll(100) < CANCEL_PERCENT ? roll(6) : null)
      try {
        await call(t, tea, roll, cut)
      } catch (error) {
        if (!(error instanceof Enough)) throw error
        cancelled++
      }
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  t.true(cancelled > 0 && cancelled < CALLS, `${cancelled} calls were cancelled`)
}

/** As many streams as there is credit for, open at the same time and all answered. */
async function spendCredit(t: Test, tea: TeaClient): Promise<void> {
  const calls = await Promise.all(Array.from({ length: CREDIT }, () => tea.Sum.open({ start: 1n })))
  await Promise.all(calls.map((call) => call.send(1n)))
  const answers = await Promise.all(calls.map(async (call) => (await call.answer.next()).value))
  await Promise.all(calls.map((call) => call.finish()))
  t.deepEqual(
    answers,
    calls.map(() => 2n),
  )
}

for (const spans of [false, true]) {
  for (const pattern of PATTERNS) {
    if (spans && pattern.method !== 'Get') continue
    const title = spans ? `${pattern.method} in span mode` : pattern.method

    test(`${title}: ${CALLS} calls from us to Rust over one connection`, async (t) => {
      const { server, endpoint } = await rustServes(t)
      const connection = await endpoint.connect(server.addr, spans ? SPAN_ALPN : TEA_ALPN)
      const tea = spans ? r.client(SpanTea, connection) : r.client(Tea, connection)
      await storm(t, tea, pattern)
      await spendCredit(t, tea)
      await tea.close()
    })

    test(`${title}: ${CALLS} calls from Rust to us over one connection`, async (t) => {
      const { rust } = await rustCalls(t, spans ? { service: 'span' } : {})
      const { method } = pattern
      const tally = await rust.storm({ method, calls: CALLS, parallel: PARALLEL, cancelPercent: CANCEL_PERCENT, seed: 1 })
      t.like(tally, { failed: 0, first: null })
      t.is(tally.answered + tally.cancelled, CALLS)
      t.true(tally.cancelled > 0)
      const calls = await Promise.all(Array.from({ length: CREDIT }, () => rust.call('Sum', { start: '1' })))
      for (const call of calls) await call.send('1')
      for (const call of calls) t.is(await call.next(), '2')
      for (const call of calls) await call.finish()
    })
  }
}

test('ten thousand calls at once go to Rust, and all are answered', async (t) => {
  const { server, endpoint } = await rustServes(t)
  const tea = r.client(Tea, endpoint, server.addr, TEA_ALPN)
  t.teardown(() => tea.close())
  const answers = await Promise.all(Array.from({ length: 10_000 }, (_, n) => tea.Div([BigInt(n), 1n])))
  t.true(answers.every((answer, n) => answer.ok && answer.value === BigInt(n)))
})
