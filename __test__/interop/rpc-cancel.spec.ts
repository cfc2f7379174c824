// Who lets go of a call, and who throws: against irpc 0.17, in both directions. The connection lives on each time.
import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { peerFails } from './meeting.js'
import { callsRust, ourFault, rustCalls, Trouble } from './rpc-tea.js'

test('leaving a Rust server stream is seen by its handler', async (t) => {
  const { server, tea } = await callsRust(t)
  for await (const item of tea.Misbehave(Trouble.endless)) {
    t.is(item.length, 65_536)
    break
  }
  const sent = Number(/^Misbehave 4 stopped after (\d+)$/.exec(await server.hears('Misbehave 4'))?.[1])
  t.true(sent > 0 && sent < 500, `${sent} items of 64 KiB left Rust for one that was read`)
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('aborting a Rust server stream that says nothing rejects with the reason and frees its handler', async (t) => {
  const { server, tea } = await callsRust(t)
  const stop = new AbortController()
  const next = tea.Misbehave(Trouble.waits, { signal: stop.signal }).next()
  await server.hears('Misbehave 5 waits')
  stop.abort(new RangeError('enough'))
  await t.throwsAsync(next, { instanceOf: RangeError, message: 'enough' })
  t.is(await server.hears('Misbehave 5'), 'Misbehave 5 closed')
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('a deadline ends a call to Rust with RPC_DEADLINE and frees its handler', async (t) => {
  const { server, tea } = await callsRust(t)
  await tea.Get({ key: 'hello' }) // dials
  // Long enough for the request to leave before: one that has no stream yet is not sent any more.
  t.deepEqual(await ourFault(t, tea.Misbehave(Trouble.waits, { timeoutMs: 10_000 }).next()), { code: 'RPC_DEADLINE', method: 'Misbehave' })
  t.is(await server.hears('Misbehave 5 c'), 'Misbehave 5 closed')
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('an aborted upload does not look whole to Rust', async (t) => {
  const { server, tea } = await callsRust(t)
  const stop = new AbortController()
  async function* rows(): AsyncGenerator<[string, string]> {
    yield ['a', '1']
    stop.abort(new RangeError('enough'))
    await new Promise(() => {})
  }
  await t.throwsAsync(tea.SetMany(rows(), { signal: stop.signal }), { instanceOf: RangeError, message: 'enough' })
  t.regex(await server.hears('SetMany'), /^SetMany [01] Some\("Io error/)
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('a source of updates that throws does not look whole to Rust, and its error is the caller’s', async (t) => {
  const { server, tea } = await callsRust(t)
  function* bytes(): Generator<number> {
    yield 7
    throw new RangeError('no more tea')
  }
  await t.throwsAsync(tea.Push(bytes()), { instanceOf: RangeError, message: 'no more tea' })
  t.regex(await server.hears('Push'), /^Push \[7?\] Some\("Io error/)
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('a bidi call that is dropped fails the Rust handler, not its connection', async (t) => {
  const { server, tea } = await callsRust(t)
  {
    await using call = await tea.Sum.open({ start: 1n })
    await call.send(1n)
    t.is((await call.answer.next()).value, 2n)
  }
  t.regex(await server.hears('Sum'), /^Sum (recv|send) failed: /)
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('a unary call that is aborted at once leaves the Rust loop alive', async (t) => {
  const { tea } = await callsRust(t)
  t.is(await tea.Get({ key: 'hello' }), 'world')
  for (let n = 0; n < 50; n++) {
    const stop = new AbortController()
    const call = tea.Get({ key: 'hello' }, { signal: stop.signal })
    stop.abort(new RangeError('enough'))
    await t.throwsAsync(call, { instanceOf: RangeError })
  }
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('what a Rust handler does not send: nothing is an empty stream, or no response', async (t) => {
  const { tea } = await callsRust(t)
  t.true((await tea.Misbehave(Trouble.nothing).next()).done)
  const one = tea.Misbehave(Trouble.one)
  t.deepEqual((await one.next()).value, Uint8Array.of(1))
  t.true((await one.next()).done)
  t.deepEqual(await ourFault(t, tea.First([])), { code: 'RPC_NO_RESPONSE', method: 'First' })
  t.true((await tea.Misbehave(Trouble.panics).next()).done, 'a Rust handler that panics only drops its sender')
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('a Rust client that drops its receiver ends our generator and aborts its signal', async (t) => {
  const { rust, notes } = await rustCalls(t)
  const endless = await rust.call('Misbehave', Trouble.endless)
  // With the second item the generator has gone on behind the first.
  for (let n = 0; n < 2; n++) t.is(`${await endless.next()}`.length, 2 * 65_536)
  await endless.leave()
  const sent = Number(/^Misbehave 4 stopped after (\d+)$/.exec(await notes.hears('Misbehave 4'))?.[1])
  t.true(sent > 0 && sent < 500, `${sent} items of 64 KiB left us for two that were read`)
  const waits = await rust.call('Misbehave', Trouble.waits)
  await notes.hears('Misbehave 5 waits')
  await waits.leave()
  t.is(await notes.hears('Misbehave 5'), 'Misbehave 5 closed')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

test('a Rust client that drops a unary call aborts the signal of our handler', async (t) => {
  const { rust, notes } = await rustCalls(t)
  const call = await rust.call('Get', { key: 'never' })
  await notes.hears('Get never')
  await call.drop()
  t.is(await notes.hears('Get never'), 'Get never aborted')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

test('a Rust client that drops a bidi call aborts the signal of our handler', async (t) => {
  const { rust, notes } = await rustCalls(t)
  const call = await rust.call('Sum', { start: '1' })
  await call.send('1')
  t.is(await call.next(), '2')
  // One half after the other: Rust ends the updates well, and if that is heard before the stop the call has just ended.
  await call.leave()
  t.is(await notes.hears('Sum aborted'), 'Sum aborted')
  t.is(await notes.hears('Sum left'), 'Sum left')
  await call.drop()
  const both = await rust.call('Sum', { start: '1' })
  await both.send('1')
  t.is(await both.next(), '2')
  await both.drop()
  t.is(await notes.hears('Sum left'), 'Sum left')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

test('a Rust client is answered while another of its calls never settles', async (t) => {
  const { rust, notes } = await rustCalls(t)
  const stuck = await Promise.all(Array.from({ length: 50 }, () => rust.call('Get', { key: 'never' })))
  // One that is dropped before it has left is never heard of.
  for (let n = 0; n < stuck.length; n++) t.is(await notes.hears('Get never'), 'Get never')
  for (let n = 0; n < 200; n++) t.is(await rust.ask('Get', { key: 'hello' }), 'world')
  for (const call of stuck) await call.drop()
  for (let n = 0; n < stuck.length; n++) await notes.hears('Get never aborted')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

test('our handler that throws is an I/O error to the Rust client, whose connection lives', async (t) => {
  const { rust, errors } = await rustCalls(t)
  const unary = await rust.call('Get', { key: 'throw' })
  t.is((await peerFails(t, unary.next())).kind, 'rpc-io')
  t.is((errors[0] as Error).message, 'the secret of the handler')
  t.is((await peerFails(t, rust.ask('First'))).kind, 'rpc-io')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

test('our generator that throws gives what it yielded, then an I/O error', async (t) => {
  const { rust, errors } = await rustCalls(t)
  const stream = await rust.call('Misbehave', Trouble.panics)
  t.deepEqual([await stream.next(), await stream.next()], ['01', '02'])
  const error = await t.throwsAsync(stream.next())
  t.regex(`${error?.message}`, /rpc-io/)
  t.notRegex(`${error?.message}`, /secret/)
  t.is((errors[0] as Error).message, 'the secret of the generator')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

test('our handler that reads no more stops the Rust sender, and its answer arrives', async (t) => {
  const { rust } = await rustCalls(t)
  const call = await rust.call('First')
  await call.send('5')
  t.is(await call.next(), '5')
  let kind = ''
  // The stop is on its way behind the answer: some updates may still leave.
  while (kind === '')
    kind = await call.send('6').then(
      () => '',
      (error: { kind: string }) => error.kind,
    )
  t.is(kind, 'rpc-io')
  t.is(await rust.ask('Get', { key: 'hello' }), 'world')
})

test('a Rust handler that reads no more is seen by who sends by hand, and its answer arrives', async (t) => {
  const { tea } = await callsRust(t)
  const call = await tea.First.open()
  await call.send(5n)
  await call.stopped
  t.is(await call.answer, 5n)
  const error = await t.throwsAsync(call.send(6n), { instanceOf: GaiwanError })
  t.is(error?.code, 'STREAM_STOPPED')
  t.is(t.throws(() => call.trySend(7n), { instanceOf: GaiwanError })?.code, 'STREAM_STOPPED')
  t.is(await tea.Get({ key: 'hello' }), 'world')
})

test('our shutdown waits for a call of Rust that is under way, and takes no more', async (t) => {
  const { rust, router, closing } = await rustCalls(t, { drainMs: 60_000 })
  const call = await rust.call('Sum', { start: '1' })
  await call.send('1')
  t.is(await call.next(), '2') // so it is under way
  const over = router.shutdown()
  await closing
  const late = await peerFails(t, rust.ask('Get', { key: 'hello' }))
  t.is(late.kind, 'rpc-io')
  await call.send('2')
  t.is(await call.next(), '4')
  await call.finish()
  t.is(await call.next(), undefined)
  await over
})

test('a Rust service that is shut down fails our calls under way', async (t) => {
  const { server, tea } = await callsRust(t)
  const call = await tea.Sum.open({ start: 1n })
  await call.send(1n)
  t.is((await call.answer.next()).value, 2n)
  const next = call.answer.next()
  await server.shutdown()
  const { code, method } = await ourFault(t, next)
  t.is(method, 'Sum')
  t.true(['CONNECTION_CLOSED', 'RPC_TRUNCATED', 'CONNECTION_LOST'].includes(code), code)
})
