import test from 'ava'
import type { GossipEvent } from '../../ts/gossip/index.js'
import { Gossip } from '../../ts/gossip/index.js'
import { GaiwanError } from '../../ts/index.js'
import { bind, until } from '../helpers/pair.js'
import { Ear, neighbors, room, rooms } from './network.js'

const code = (error: unknown): string | undefined => (GaiwanError.is(error) ? error.code : undefined)

test('close ends the loop that waits, and what is called later says TOPIC_CLOSED', async (t) => {
  const { gossip } = await room(t)
  const topic = await gossip.subscribe(t.title)
  const ear = new Ear(topic)
  await topic.close()
  await ear.done
  t.deepEqual(ear.events, [])
  for (const call of [topic.broadcast('x'), topic.broadcastNeighbors('x'), topic.join([]), topic.joined()]) {
    t.is(code(await t.throwsAsync(call)), 'TOPIC_CLOSED')
  }
  t.deepEqual(topic.neighbors(), [])
  t.false(topic.isJoined)
  for await (const _ of topic) t.fail('a closed topic tells something')
  await topic.close()
})

test('close ends a joined that waits', async (t) => {
  const { gossip } = await room(t)
  const topic = await gossip.subscribe(t.title)
  const joined = topic.joined()
  await topic.close()
  t.is(code(await t.throwsAsync(joined)), 'TOPIC_CLOSED')
})

test('what was broadcast before close is sent', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const ear = new Ear(there)
  const last = Array.from({ length: 50 }, (_, n) => here.broadcast(`last ${n}`))
  await here.close()
  t.deepEqual(await Promise.all(last), Array(50).fill(1))
  await ear.messages(50)
  t.is((await ear.event('neighborDown')).reason, 'left')
})

test('leaving a loop keeps the topic, and the next loop goes on behind it', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  for (const text of ['one', 'two', 'three']) await here.broadcast(text)
  const heard: string[] = []
  const read = async (events: AsyncIterable<GossipEvent>) => {
    for await (const event of events) {
      if (event.type !== 'received') continue
      heard.push(new TextDecoder().decode(event.content))
      return
    }
  }
  for (let n = 0; n < 3; n++) await read(there)
  t.deepEqual(heard.sort(), ['one', 'three', 'two'])
  t.true(there.isJoined)
})

test('joined gives up in time and says who could not be reached', async (t) => {
  const { gossip } = await room(t)
  const gone = await bind(t)
  const addr = gone.addr
  await gone.close()
  const topic = await gossip.subscribe(t.title, [addr])
  const started = Date.now()
  const error = await t.throwsAsync(topic.joined({ timeoutMs: 200 }))
  t.is(code(error), 'JOIN_TIMEOUT')
  // Its own time, not the half minute that it has by default.
  t.true(Date.now() - started < 25_000)
})

test('a dial that no lookup can make is the cause of the timeout', async (t) => {
  const [{ gossip }, other] = [await room(t), await bind(t)]
  const topic = await gossip.subscribe(t.title, [other.id])
  await until(() => (gossip.metrics().actor_tick_dialer_failure ?? 0) > 0)
  const error = await t.throwsAsync(topic.joined({ timeoutMs: 1_000 }))
  t.is(code(error), 'JOIN_TIMEOUT')
  const { cause } = error as { cause?: unknown }
  t.true(cause instanceof AggregateError)
  const [failed] = (cause as AggregateError).errors as GaiwanError[]
  t.is(failed?.code, 'NO_ADDRESS')
  t.true(failed?.message.startsWith(other.id))
})

test('an abort rejects with the reason of its signal', async (t) => {
  const { gossip } = await room(t)
  const reason = new Error('enough')
  await t.throwsAsync(gossip.subscribe(t.title, [], { signal: AbortSignal.abort(reason) }), { is: reason })
  const topic = await gossip.subscribe(t.title)
  await t.throwsAsync(topic.broadcast('x', { signal: AbortSignal.abort(reason) }), { is: reason })
  const abort = new AbortController()
  const joined = topic.joined({ signal: abort.signal })
  abort.abort(reason)
  await t.throwsAsync(joined, { is: reason })
  const both = new AbortController()
  const joining = gossip.subscribeAndJoin(`${t.title} 2`, [], { signal: both.signal })
  setImmediate(() => both.abort(reason))
  await t.throwsAsync(joining, { is: reason })
})

test('shutdown leaves all topics, and later calls say GOSSIP_CLOSED', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const [ear, other] = [new Ear(here), new Ear(there)]
  await a!.gossip.shutdown()
  await ear.done
  t.is((await other.event('neighborDown')).reason, 'left')
  t.is(code(await t.throwsAsync(a!.gossip.subscribe('more'))), 'GOSSIP_CLOSED')
  t.is(code(await t.throwsAsync(here.broadcast('x'))), 'TOPIC_CLOSED')
  await a!.gossip.shutdown()
})

test('a Router shuts gossip down with itself', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const [ear, other] = [new Ear(here), new Ear(there)]
  await a!.router.shutdown()
  await ear.done
  t.is((await other.event('neighborDown')).reason, 'left')
})

test('the close of the endpoint ends loops and calls', async (t) => {
  const endpoint = await bind(t)
  const gossip = new Gossip(endpoint)
  const topic = await gossip.subscribe(t.title)
  const ear = new Ear(topic)
  const joined = topic.joined()
  await Promise.all([t.throwsAsync(joined, { instanceOf: GaiwanError }), endpoint.close()])
  await ear.done
  t.is(code(await t.throwsAsync(gossip.subscribe('more'))), 'ENDPOINT_CLOSED')
  t.deepEqual(gossip.metrics(), {})
  await topic.close()
  await gossip.shutdown()
})

test('a subscriber that does not read loses the oldest messages and is told how many', async (t) => {
  const [a, b] = await rooms(t, 2)
  const there = await b!.gossip.subscribe(t.title, [], { capacity: 16 })
  const here = await a!.gossip.subscribeAndJoin(t.title, [b!.endpoint.addr])
  const watcher = new Ear(await b!.gossip.subscribe(t.title))
  await there.joined()
  for (let n = 0; n < 100; n++) await here.broadcast(`message ${n}`)
  await watcher.messages(100)
  const ear = new Ear(there)
  await ear.message('message 99')
  const lags = ear.events.filter((event) => event.type === 'lagged')
  t.is(lags.length, 1)
  const [lag] = lags
  t.is((lag?.missed ?? 0) + ear.texts.size, 100)
  t.true(ear.texts.size <= 16)
  t.true(
    ear.events.some(({ type }) => type === 'neighborUp'),
    'a neighbor is never forgotten',
  )
  const at = ear.events.findIndex(({ type }) => type === 'lagged')
  t.true(ear.events.slice(at).filter(({ type }) => type === 'received').length === ear.texts.size, 'the lag stands at the gap')
  await here.broadcast('and on')
  await ear.message('and on')
})

test('two loops over one topic share its events', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const ears = [new Ear(there), new Ear(there)]
  await Promise.all(Array.from({ length: 100 }, (_, n) => here.broadcast(`message ${n}`)))
  const all = () => [...ears[0]!.texts, ...ears[1]!.texts]
  await Promise.race(ears.map((ear) => ear.until(() => all().length >= 100)))
  t.is(new Set(all()).size, 100)
  await there.close()
  await Promise.all(ears.map(({ done }) => done))
})
