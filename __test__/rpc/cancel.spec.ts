// Who may end a call, and what the other side learns of it.
import test from 'ava'
import { codeOf, failure, serveTea, teaClient } from './tea.js'

const caught = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => error,
  )

test('a call whose signal aborts rejects with the reason, and the handler hears of it', async (t) => {
  const heard: unknown[] = []
  const served = await serveTea(t, (handlers, journal) => ({
    ...handlers,
    Get: (_, { signal }) =>
      new Promise((resolve) => {
        journal.add('asked')
        signal.addEventListener('abort', () => {
          heard.push(codeOf(signal.reason))
          journal.add('heard')
          resolve(undefined)
        })
      }),
  }))
  const tea = teaClient(served)
  const abort = new AbortController()
  const call = caught(tea.Get({ key: 'x' }, { signal: abort.signal }))
  await served.journal.until('asked')
  const reason = new Error('enough')
  abort.abort(reason)
  t.is(await call, reason)
  await served.journal.until('heard')
  t.deepEqual(heard, ['RPC_CANCELLED'])
  await tea.close()
})

test('a signal that was aborted before stops a call of every kind before anything is sent', async (t) => {
  const served = await serveTea(t)
  const tea = teaClient(served)
  const reason = new Error('never')
  const options = { signal: AbortSignal.abort(reason) }
  t.is(await caught(tea.Get({ key: 'x' }, options)), reason)
  t.is(await caught(tea.List(options).next()), reason)
  t.is(await caught(tea.SetMany([], options)), reason)
  t.is(await caught(tea.Late('x', options)), reason)
  t.is(await caught(tea.Log('x', options)), reason)
  t.is(await caught(tea.Sum.open({ start: 0n }, options)), reason)
  t.deepEqual(served.journal.lines, [])
  await tea.close()
})

test('the signal of a call does not abort when it ends well', async (t) => {
  const signals: AbortSignal[] = []
  const served = await serveTea(t, (handlers) => ({
    ...handlers,
    Get: async (_, { signal }) => {
      signals.push(signal)
      return 'x'
    },
    async *List(_, { signal }) {
      signals.push(signal)
      yield ['a', 1n]
    },
  }))
  const tea = teaClient(served)
  await tea.Get({ key: 'x' })
  for await (const item of tea.List()) t.deepEqual(item, ['a', 1n])
  // One more round, so that what the end of the others caused has come.
  await tea.Get({ key: 'x' })
  t.deepEqual(
    signals.map(({ aborted }) => aborted),
    [false, false, false],
  )
  await tea.close()
})

test('leaving a loop over answers returns the generator and aborts its signal', async (t) => {
  const served = await serveTea(t, (handlers, journal) => ({
    ...handlers,
    async *List(_, { signal }) {
      signal.addEventListener('abort', () => journal.add('aborted'))
      try {
        for (let n = 0n; ; n++) {
          yield ['n', n]
          await new Promise((resolve) => setImmediate(resolve))
        }
      } finally {
        journal.add('returned')
      }
    },
  }))
  const tea = teaClient(served)
  for await (const [, n] of tea.List()) if (n === 3n) break
  await served.journal.until('returned')
  await served.journal.until('aborted')
  t.is(await tea.Get({ key: 'still' }), 'world')
  await tea.close()
})

test('a generator that waits elsewhere is freed by the signal when the caller leaves', async (t) => {
  const served = await serveTea(t, (handlers, journal) => ({
    ...handlers,
    async *List(_, { signal }) {
      yield ['first', 1n]
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      journal.add('freed')
    },
  }))
  const tea = teaClient(served)
  for await (const _ of tea.List()) break
  await served.journal.until('freed')
  t.true(served.journal.lines.includes('freed'))
  await tea.close()
})

test('a handler that leaves its updates stops the source, and its answer still comes', async (t) => {
  const tea = teaClient(await serveTea(t))
  let returned = false
  async function* numbers() {
    try {
      for (let n = 5n; ; n++) {
        yield n
        await new Promise((resolve) => setImmediate(resolve))
      }
    } finally {
      returned = true
    }
  }
  t.is(await tea.First(numbers()), 5n)
  while (!returned) await new Promise((resolve) => setImmediate(resolve))
  t.true(returned)
  await tea.close()
})

test('a source that throws ends the call with its error, and the handler sees a cancelled call', async (t) => {
  const served = await serveTea(t)
  const tea = teaClient(served)
  const broken = new Error('no more rows')
  async function* rows(): AsyncGenerator<[string, string]> {
    yield ['a', '1']
    throw broken
  }
  t.is(await caught(tea.SetMany(rows())), broken)
  await served.journal.until('SetMany 1 RPC_CANCELLED')
  const totals: bigint[] = []
  const sum = async () => {
    for await (const total of tea.Sum(
      { start: 0n },
      (function* () {
        yield 1n
        throw broken
      })(),
    )) {
      totals.push(total)
    }
  }
  t.is(await caught(sum()), broken)
  t.is(
    await caught(
      tea.Push(
        (function* () {
          yield 1
          throw broken
        })(),
      ),
    ),
    broken,
  )
  t.is(await caught(tea.Late(Promise.reject(broken))), broken)
  await tea.close()
})

test('a call that takes longer than its time is RPC_DEADLINE, and the next goes over a fresh connection', async (t) => {
  const connections = new Set<unknown>()
  const served = await serveTea(t, (handlers) => ({
    ...handlers,
    Get: ({ key }, { connection }) => {
      connections.add(connection)
      return key === 'never' ? new Promise(() => {}) : 'world'
    },
    async *List() {
      await new Promise(() => {})
    },
  }))
  const tea = teaClient(served, { drainMs: 0 })
  t.is(await tea.Get({ key: 'a' }), 'world')
  const error = await failure(tea.Get({ key: 'never' }, { timeoutMs: 50 }))
  t.is(error.code, 'RPC_DEADLINE')
  t.is(error.method, 'Get')
  t.is(await tea.Get({ key: 'a' }, { timeoutMs: 120_000 }), 'world')
  t.is(connections.size, 2)
  t.is((await failure(tea.List({ timeoutMs: 20 }).next())).code, 'RPC_DEADLINE')
  await tea.close()
})

test('a handler that never settles is ended by callTimeoutMs', async (t) => {
  const served = await serveTea(
    t,
    (handlers, journal) => ({
      ...handlers,
      Set: (_, { signal }) => {
        signal.addEventListener('abort', () => journal.add(`Set ${codeOf(signal.reason)}`))
        return new Promise(() => {})
      },
      async *List() {
        await new Promise(() => {})
      },
    }),
    { callTimeoutMs: 50 },
  )
  const tea = teaClient(served)
  t.is((await failure(tea.Set({ key: '', value: new Uint8Array(0) }))).code, 'RPC_DEADLINE')
  t.is((await failure(tea.List().next())).code, 'RPC_DEADLINE')
  await served.journal.until('Set RPC_DEADLINE')
  t.is(await tea.Get({ key: 'a' }), 'world')
  await tea.close()
})

test('a caller that is lost aborts the signals of its calls', async (t) => {
  const served = await serveTea(t, (handlers, journal) => ({
    ...handlers,
    Set: (_, { signal }) =>
      new Promise<void>(() => {
        journal.add('asked')
        signal.addEventListener('abort', () => journal.add(`Set ${codeOf(signal.reason)}`))
      }),
    async SetMany(_, updates) {
      for await (const _pair of updates) journal.add('asked twice')
      return 0n
    },
  }))
  const tea = teaClient(served)
  const calls = [caught(tea.Set({ key: '', value: new Uint8Array(0) }))]
  const many = await tea.SetMany.open()
  await many.send(['a', 'b'])
  calls.push(caught(many.answer))
  await served.journal.until('asked')
  await served.journal.until('asked twice')
  await served.dialer.close()
  await served.journal.until('Set CONNECTION_CLOSED')
  t.deepEqual((await Promise.all(calls)).map(codeOf), ['LOCALLY_CLOSED', 'LOCALLY_CLOSED'])
})

test('a call driven by hand that is disposed of unfinished is cancelled', async (t) => {
  const served = await serveTea(t)
  const tea = teaClient(served)
  {
    await using call = await tea.SetMany.open()
    await call.send(['a', '1'])
  }
  await served.journal.until('SetMany 1 RPC_CANCELLED')
  const call = await tea.SetMany.open()
  const reason = new Error('changed my mind')
  call.cancel(reason)
  t.is(await caught(call.answer), reason)
  t.is(await caught(call.send(['a', '1'])), reason)
  await tea.close()
})
