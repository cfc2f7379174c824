import test from 'ava'
import { failure, serveTea, teaClient } from './tea.js'

test('a unary call gives its answer', async (t) => {
  const served = await serveTea(t)
  const tea = teaClient(served)
  t.is(await tea.Get({ key: 'hello' }), 'world')
  t.is(await tea.Get({ key: '' }), undefined)
  t.is(await tea.Set({ key: 'k', value: new Uint8Array(300) }), undefined)
  t.deepEqual(await tea.Div([7n, 2n]), { ok: true, value: 3n })
  t.deepEqual(await tea.Div([1n, 0n]), { ok: false, error: 'division by zero' })
  await tea.close()
})

test('a server stream gives its answers in order and ends', async (t) => {
  const tea = teaClient(await serveTea(t))
  const rows: unknown[] = []
  for await (const row of tea.List()) rows.push(row)
  t.deepEqual(rows, [
    ['a', 1n],
    ['b', 300n],
    ['c', 2n ** 64n - 1n],
  ])
  await tea.close()
})

test('a client stream sends what an iterable gives and gets one answer', async (t) => {
  const tea = teaClient(await serveTea(t))
  t.is(
    await tea.SetMany([
      ['a', '1'],
      ['b', ''],
    ]),
    2n,
  )
  t.is(await tea.SetMany([]), 0n)
  await tea.close()
})

test('a bidi stream has updates and answers side by side', async (t) => {
  const tea = teaClient(await serveTea(t))
  const totals: bigint[] = []
  for await (const total of tea.Sum({ start: 10n }, [1n, -2n, 300n])) totals.push(total)
  t.deepEqual(totals, [11n, 9n, 309n])
  await tea.close()
})

test('a notify arrives, a notify stream too, and a single update gets its answer', async (t) => {
  const served = await serveTea(t)
  const tea = teaClient(served)
  await tea.Log('hi', { delivered: true })
  await tea.Log('again')
  await tea.Push([7, 200])
  t.is(await tea.Late('tea'), 3n)
  t.is(await tea.Late(Promise.resolve('late')), 4n)
  await served.journal.until('Push 7,200')
  await served.journal.until('Log hi')
  await served.journal.until('Log again')
  t.deepEqual(
    served.journal.lines.filter((line) => line.startsWith('Log')),
    ['Log hi', 'Log again'],
  )
  await tea.close()
})

test('a call driven by hand sends, finishes and gets its answers', async (t) => {
  const tea = teaClient(await serveTea(t))
  {
    await using call = await tea.Sum.open({ start: 1n })
    await call.send(2n)
    t.deepEqual(await call.answer.next(), { done: false, value: 3n })
    t.true(call.trySend(5n))
    t.deepEqual(await call.answer.next(), { done: false, value: 8n })
    await call.finish()
    t.deepEqual(await call.answer.next(), { done: true, value: undefined })
  }
  await tea.close()
})

test('a handler that throws fails its call alone, without its text', async (t) => {
  const failures: unknown[] = []
  const served = await serveTea(
    t,
    (handlers) => ({
      ...handlers,
      Set: () => {
        throw new Error('the secret is 42')
      },
    }),
    { onError: (error) => failures.push(error) },
  )
  const tea = teaClient(served)
  const error = await failure(tea.Set({ key: '', value: new Uint8Array(0) }))
  t.is(error?.code, 'RPC_HANDLER_FAILED')
  t.is(error?.method, 'Set')
  t.is(error?.applicationCode, 16n)
  t.false(String(error?.stack).includes('secret'))
  t.deepEqual(failures.map(String), ['Error: the secret is 42'])
  t.is(await tea.Get({ key: 'a' }), 'world')
  await tea.close()
})

test('10,000 calls at once on one connection all get their answers', async (t) => {
  const tea = teaClient(await serveTea(t), {})
  const answers = await Promise.all(Array.from({ length: 10_000 }, (_, n) => tea.Div([BigInt(n), 1n])))
  t.true(answers.every((answer, n) => answer.ok && answer.value === BigInt(n)))
  await tea.close()
})
