import test from 'ava'
import { ALPN, Gossip, topicId } from '../../ts/gossip/index.js'
import { type EndpointHook, GaiwanError, MemoryLookup } from '../../ts/index.js'
import { acceptOne, bind, until } from '../helpers/pair.js'
import { Ear, neighbors, room, rooms, said } from './network.js'

test('two endpoints hear each other, and know who said it and how it came', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  t.is(here.id, topicId(t.title))
  const [ear, other] = [new Ear(here), new Ear(there)]
  t.is(await here.broadcast('hello'), 1)
  const hello = await other.message('hello')
  t.deepEqual(hello.from, a!.endpoint.id)
  t.deepEqual(hello.scope, { kind: 'swarm', round: 0 })
  t.is(await there.broadcastNeighbors(Uint8Array.from(Buffer.from('psst'))), 1)
  t.like(await ear.message('psst'), { from: b!.endpoint.id, scope: { kind: 'neighbors' } })
  t.deepEqual(here.neighbors(), [b!.endpoint.id])
  t.true(there.isJoined)
  t.deepEqual(ear.events[0], { type: 'neighborUp', endpointId: b!.endpoint.id })
})

test('five endpoints that know one of them hear what each says', async (t) => {
  const all = await rooms(t, 5)
  const ticket = all[0]!.endpoint.ticket()
  const topics = [await all[0]!.gossip.subscribe(t.title)]
  for (const { gossip } of all.slice(1)) topics.push(await gossip.subscribeAndJoin(t.title, [ticket]))
  const ears = topics.map((topic) => new Ear(topic))
  for (const [n, topic] of topics.entries()) t.true((await topic.broadcast(`from ${n}`)) >= 1)
  await Promise.all(ears.map((ear) => ear.messages(4)))
  for (const [n, ear] of ears.entries()) {
    t.deepEqual(
      [...ear.texts].sort(),
      [0, 1, 2, 3, 4].filter((m) => m !== n).map((m) => `from ${m}`),
    )
  }
})

test('a thousand messages of one tick arrive each once', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const ear = new Ear(there)
  const counts = await Promise.all(Array.from({ length: 1_000 }, (_, n) => here.broadcast(`message ${n}`)))
  t.true(counts.every((count) => count === 1))
  await ear.messages(1_000)
  t.is(ear.events.filter(({ type }) => type === 'received').length, 1_000)
})

test('without neighbors nobody hears it', async (t) => {
  const { gossip } = await room(t)
  const topic = await gossip.subscribe(t.title)
  t.is(await topic.broadcast('anybody?'), 0)
  t.is(await topic.broadcastNeighbors('anybody?'), 0)
  t.false(topic.isJoined)
})

test('the largest content goes through, one byte more is refused here', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const ear = new Ear(there)
  const { maxContentBytes } = a!.gossip
  for (const send of [here.broadcast.bind(here), here.broadcastNeighbors.bind(here)]) {
    const error = await t.throwsAsync(send(new Uint8Array(maxContentBytes + 1)), { instanceOf: GaiwanError })
    t.is(error?.code, 'MESSAGE_TOO_LARGE')
  }
  await here.broadcast(new Uint8Array(maxContentBytes).fill(1))
  const { content } = await ear.event('received')
  t.is(content.length, maxContentBytes)
  t.true(content.every((byte) => byte === 1))
})

test('no bytes at all are a message too', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const ear = new Ear(there)
  await here.broadcast('')
  t.is((await ear.event('received')).content.length, 0)
})

test('a message is copied before broadcast returns', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const bytes = Uint8Array.from(Buffer.from('before'))
  const sent = here.broadcast(bytes)
  bytes.fill(0x78)
  await sent
  t.is(said((await new Ear(there).event('received')).content), 'before')
})

test('whoever leaves is seen to have left', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const ear = new Ear(here)
  await there.close()
  t.deepEqual(await ear.event('neighborDown'), { type: 'neighborDown', endpointId: b!.endpoint.id, reason: 'left' })
  t.deepEqual(here.neighbors(), [])
})

test('a peer that is joined later becomes a neighbor', async (t) => {
  const [a, b] = await rooms(t, 2)
  const here = await a!.gossip.subscribe(t.title)
  const there = await b!.gossip.subscribe(t.title)
  await here.join([b!.endpoint.ticket()])
  await Promise.all([here.joined(), there.joined()])
  t.deepEqual(there.neighbors(), [a!.endpoint.id])
})

test('an id alone is found by the lookups of the endpoint', async (t) => {
  const [a, b] = await rooms(t, 2)
  const lookup = new MemoryLookup()
  lookup.add(b!.endpoint.addr)
  a!.endpoint.lookups.add(lookup)
  const there = await b!.gossip.subscribe(t.title)
  const here = await a!.gossip.subscribeAndJoin(t.title, [b!.endpoint.id])
  const ear = new Ear(there)
  await here.broadcast('found you')
  t.is((await ear.message('found you')).from, a!.endpoint.id)
})

test('our own address in a bootstrap list does no harm', async (t) => {
  const [a, b] = await rooms(t, 2)
  await b!.gossip.subscribe(t.title)
  const here = await a!.gossip.subscribeAndJoin(t.title, [a!.endpoint.addr, b!.endpoint.addr])
  t.deepEqual(here.neighbors(), [b!.endpoint.id])
})

test('a second subscription of a topic hears the same, and who is there', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const second = await b!.gossip.subscribe(t.title)
  const ears = [new Ear(there), new Ear(second)]
  await ears[1]!.event('neighborUp')
  await here.broadcast('to both')
  for (const ear of ears) t.is((await ear.message('to both')).from, a!.endpoint.id)
  await there.close()
  await here.broadcast('to one')
  await ears[1]!.message('to one')
  t.true(second.isJoined)
})

test('the topic is left when both halves are closed', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const ear = new Ear(there)
  const { sender, receiver } = here.split()
  t.is(sender.id, here.id)
  t.is(receiver.id, here.id)
  await sender.close()
  t.true(receiver.isJoined)
  t.is((await t.throwsAsync(sender.broadcast('x'), { instanceOf: GaiwanError }))?.code, 'TOPIC_CLOSED')
  const heard = new Ear(receiver)
  await there.broadcast('still here?')
  await heard.message('still here?')
  await receiver.close()
  t.is((await ear.event('neighborDown')).reason, 'left')
  await heard.done
})

test('a connection that was accepted elsewhere serves', async (t) => {
  const [dialer, acceptor] = [await room(t), await bind(t, { alpns: [ALPN] })]
  const gossip = new Gossip(acceptor)
  t.teardown(() => gossip.shutdown())
  const there = await gossip.subscribe(t.title)
  const [here, connection] = await Promise.all([dialer.gossip.subscribe(t.title, [acceptor.addr]), acceptOne(acceptor)])
  const served = gossip.handleConnection(connection)
  await Promise.all([here.joined(), there.joined()])
  const ear = new Ear(there)
  await here.broadcast('by hand')
  await ear.message('by hand')
  await dialer.router.shutdown()
  await served
  t.deepEqual(there.neighbors(), [])
})

test('a connection of another protocol or endpoint is refused', async (t) => {
  const [a, b] = [await room(t), await bind(t, { alpns: ['tea/1'] })]
  const [connection] = await Promise.all([a.endpoint.connect(b.addr, 'tea/1'), acceptOne(b)])
  await t.throwsAsync(a.gossip.accept(connection), { instanceOf: TypeError, message: /^connection: .*ALPN/ })
  const other = new Gossip(b)
  await t.throwsAsync(other.accept(connection), { instanceOf: TypeError, message: /^connection: .*endpoint/ })
})

test('a dial is asked of beforeConnect like any other, with the addresses that gossip knows', async (t) => {
  const asked: string[] = []
  let answer = false
  const beforeConnect: EndpointHook['beforeConnect'] = (to, alpn) => {
    asked.push(`${to.id} ${to.addresses?.join()} ${said(alpn)}`)
    return answer
  }
  const [a, b] = [await room(t, {}, { hooks: [{ beforeConnect }] }), await room(t)]
  const there = await b.gossip.subscribe(t.title)
  const here = await a.gossip.subscribe(t.title, [b.endpoint.addr])
  const error = await t.throwsAsync(here.joined({ timeoutMs: 500 }), { instanceOf: GaiwanError })
  t.is(error?.code, 'JOIN_TIMEOUT')
  await until(() => asked.length > 0)
  t.is(a.endpoint.metrics()['quic_outgoing_handshakes'], 0)
  answer = true
  await Promise.all([here.joined(), there.joined()])
  t.true(asked.length >= 2)
  for (const question of asked) t.is(question, `${b.endpoint.id} ${b.endpoint.addr.addresses?.join()} ${ALPN}`)
})

test('who is not accepted becomes no neighbor', async (t) => {
  const asked: string[] = []
  const guarded = await room(t, {
    accept: (id) => {
      asked.push(id)
      return id === friend.endpoint.id
    },
  })
  const [friend, stranger] = (await rooms(t, 2)) as [Awaited<ReturnType<typeof room>>, Awaited<ReturnType<typeof room>>]
  const topic = await guarded.gossip.subscribe(t.title)
  await friend.gossip.subscribeAndJoin(t.title, [guarded.endpoint.addr])
  const outside = await stranger.gossip.subscribe(t.title, [guarded.endpoint.addr])
  await until(() => asked.includes(stranger.endpoint.id))
  const error = await t.throwsAsync(outside.joined({ timeoutMs: 1_000 }), { instanceOf: GaiwanError })
  t.is(error?.code, 'JOIN_TIMEOUT')
  t.deepEqual(topic.neighbors(), [friend.endpoint.id])
})

test('another ALPN is another network', async (t) => {
  const options = { alpn: 'tea-gossip/1' }
  const [a, b] = await rooms(t, 2, options)
  const [here, there] = await neighbors(t, a!, b!)
  const ear = new Ear(there)
  await here.broadcast('x')
  await ear.message('x')
  const other = await room(t)
  const error = await t.throwsAsync(other.gossip.subscribeAndJoin(t.title, [a!.endpoint.addr], { timeoutMs: 1_000 }), {
    instanceOf: GaiwanError,
  })
  t.is(error?.code, 'JOIN_TIMEOUT')
})

test('metrics count what went out and came in', async (t) => {
  const [a, b] = await rooms(t, 2)
  const [here, there] = await neighbors(t, a!, b!)
  const ear = new Ear(there)
  await here.broadcast('counted')
  await ear.message('counted')
  t.is(a!.gossip.metrics().msgs_data_sent, 1)
  t.like(b!.gossip.metrics(), { msgs_data_recv: 1, neighbor_up: 1, open_connections: 1 })
})
