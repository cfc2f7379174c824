import test from 'ava'
import { bridge } from '../../ts/endpoint/bridge.js'
import * as r from '../../ts/rpc/index.js'
import { connectionPair, until } from '../helpers/pair.js'
import { Tea } from '../rpc/tea.js'

test('an OPEN that is cancelled while it waits for credit answers with its end, and no stream is opened', async (t) => {
  const { client, server } = await connectionPair(t, {}, { transport: { maxBidiStreams: 1 } })
  const held = await client.openBi()
  await held.send.write(Uint8Array.of(1))
  const peer = await server.acceptBi()
  const tea = r.client(Tea, client)
  const first = bridge().nextId()
  const stop = new AbortController()
  const call = tea.Sum.open({ start: 1n }, { signal: stop.signal })
  const opening = bridge().nextId() - 1
  t.true(opening > first && bridge().isListened(opening))
  stop.abort(new RangeError('enough'))
  await t.throwsAsync(call, { instanceOf: RangeError })
  await until(() => !bridge().isListened(opening))
  // The credit that it waited for is there for another.
  await held.send.finish()
  await peer?.recv.readToEnd(1)
  await peer?.send.finish()
  await held.recv.readToEnd(0)
  const next = await client.openBi()
  await next.send.write(Uint8Array.of(2))
  t.is((await server.acceptBi())?.recv.id, next.recv.id)
})
