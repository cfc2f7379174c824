import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { connectionPair, text, until } from '../helpers/pair.js'

const code = (code: string) => ({ instanceOf: GaiwanError, code }) as const

test('datagrams arrive as they were sent, empty ones too', async (t) => {
  const { client, server } = await connectionPair(t)
  const datagrams = server.datagrams()[Symbol.asyncIterator]()
  const first = datagrams.next()
  client.sendDatagram('one')
  t.is(text((await first).value!), 'one')
  client.sendDatagram(new Uint8Array(0))
  await client.sendDatagramWait(Uint8Array.of(1, 2, 3))
  t.is((await datagrams.next()).value!.length, 0)
  t.deepEqual([...(await datagrams.next()).value!], [1, 2, 3])
})

test('many datagrams are unpacked one by one, and what came before the close is not lost', async (t) => {
  const { client, server } = await connectionPair(t)
  const datagrams = server.datagrams()[Symbol.asyncIterator]()
  const seen: string[] = []
  const first = datagrams.next()
  for (let n = 0; n < 200; n++) await client.sendDatagramWait(`n${n}`)
  seen.push(text((await first).value!)!)
  // A last request tells that all datagrams before it have been received or lost.
  void server.serve((body) => body)
  await client.request('done')
  client.close()
  for (let next = await datagrams.next(); !next.done; next = await datagrams.next()) seen.push(text(next.value)!)
  t.true(seen.length > 100, `${seen.length} arrived`)
  t.is(new Set(seen).size, seen.length)
  for (const one of seen) t.regex(one, /^n\d+$/)
})

test('datagrams that nobody reads in time are dropped, oldest first, and counted', async (t) => {
  const { client, server } = await connectionPair(t)
  const datagrams = server.datagrams()[Symbol.asyncIterator]()
  const first = datagrams.next()
  client.sendDatagram('first')
  await first
  const large = new Uint8Array(1_000)
  for (let n = 0; n < 3_000; n++) await client.sendDatagramWait(large)
  await until(() => server.stats().datagramsDropped > 0)
  t.true(server.stats().datagramsDropped > 0)
})

test('the size has a limit that is told', async (t) => {
  const { client } = await connectionPair(t)
  const most = client.maxDatagramBytes
  t.true(most !== null && most >= 1_100)
  t.true(client.datagramSendSpace > 0)
  t.notThrows(() => client.sendDatagram(new Uint8Array(1_100)))
  t.throws(() => client.sendDatagram(new Uint8Array(70_000)), code('DATAGRAM_TOO_LARGE'))
  await t.throwsAsync(client.sendDatagramWait(new Uint8Array(70_000)), code('DATAGRAM_TOO_LARGE'))
  t.throws(() => client.sendDatagram(5 as never), { instanceOf: TypeError, message: /^data: / })
})

test('a peer that takes none is DATAGRAM_UNSUPPORTED, our own switch DATAGRAM_DISABLED', async (t) => {
  const off = { transport: { datagramReceiveBuffer: null } }
  const { client, server } = await connectionPair(t, {}, off)
  t.is(client.maxDatagramBytes, null)
  t.throws(() => client.sendDatagram('x'), code('DATAGRAM_UNSUPPORTED'))
  t.throws(() => server.sendDatagram('x'), code('DATAGRAM_DISABLED'))
})

test('a wait for room ends by its signal', async (t) => {
  const { client } = await connectionPair(t)
  const reason = new Error('enough')
  t.is(await t.throwsAsync(client.sendDatagramWait('x', { signal: AbortSignal.abort(reason) })), reason)
})
