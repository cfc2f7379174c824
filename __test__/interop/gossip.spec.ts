// Gossip against iroh-gossip 0.101, in both directions.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { topicId } from '../../ts/gossip/index.js'
import { GaiwanError, SecretKey } from '../../ts/index.js'
import { Ear, room } from '../gossip/network.js'
import { gaiwan } from '../helpers/child.js'
import { until } from '../helpers/pair.js'
import { PeerGossip } from './gossip-peer.js'
import { ownPort, Peer } from './peer.js'

type Test = ExecutionContext<unknown>

/** One of the reference and one of ours, strangers yet. */
async function pair(t: Test) {
  const peer = await Peer.start(t)
  const [iroh, ours] = await Promise.all([PeerGossip.start(peer), room(t)])
  return { peer, iroh, ours, id: topicId(t.title) }
}

/** As `pair`, and neighbors in a topic; ours dialed. */
async function met(t: Test) {
  const { iroh, ours, id, peer } = await pair(t)
  const there = await iroh.subscribe(id)
  const here = await ours.gossip.subscribeAndJoin(id, [iroh.addr], { timeoutMs: 60_000 })
  await there.up(ours.endpoint.id)
  return { peer, iroh, ours, id, here, there, ear: new Ear(here) }
}

test('we join the reference, and both hear each other', async (t) => {
  const { iroh, ours, here, there, ear } = await met(t)
  t.deepEqual(here.neighbors(), [iroh.id])
  t.is(await here.broadcast('from us'), 1)
  t.like(await there.message('from us'), { from: ours.endpoint.id, round: 0 })
  await there.broadcast('from iroh')
  t.like(await ear.message('from iroh'), { from: iroh.id, scope: { kind: 'swarm', round: 0 } })
  await there.broadcastNeighbors('near')
  t.like(await ear.message('near'), { scope: { kind: 'neighbors' } })
  await here.broadcastNeighbors('near too')
  t.false('round' in (await there.message('near too')))
})

test('the reference joins us, and both hear each other', async (t) => {
  const { iroh, ours, id } = await pair(t)
  const here = await ours.gossip.subscribe(id)
  const there = await iroh.subscribe(id, [ours.endpoint.addr])
  await Promise.all([here.joined(), there.up(ours.endpoint.id)])
  const ear = new Ear(here)
  await there.broadcast('from iroh')
  await ear.message('from iroh')
  await here.broadcast('from us')
  t.like(await there.message('from us'), { from: ours.endpoint.id })
})

test('joins that cross make neighbors that hear each other', async (t) => {
  const { iroh, ours, id } = await pair(t)
  const [there, here] = await Promise.all([iroh.subscribe(id, [ours.endpoint.addr]), ours.gossip.subscribe(id, [iroh.addr])])
  await Promise.all([here.joined(), there.up(ours.endpoint.id)])
  const ear = new Ear(here)
  for (let n = 0; n < 20; n++) {
    await Promise.all([here.broadcast(`ours ${n}`), there.broadcast(`iroh ${n}`)])
    await Promise.all([ear.message(`iroh ${n}`), there.message(`ours ${n}`)])
  }
  t.deepEqual(here.neighbors(), [iroh.id])
  t.true((ours.gossip.metrics().open_connections ?? 0) <= 2)
})

for (const shape of ['line', 'ring'] as const) {
  test(`three in a ${shape} hear each other, ours in the middle and at the end`, async (t) => {
    const peer = await Peer.start(t)
    const [iroh, middle, end] = await Promise.all([PeerGossip.start(peer), room(t), room(t)])
    const id = topicId(t.title)
    const there = await iroh.subscribe(id)
    const here = await middle.gossip.subscribeAndJoin(id, [iroh.addr])
    const last = await end.gossip.subscribeAndJoin(id, shape === 'line' ? [middle.endpoint.addr] : [middle.endpoint.addr, iroh.addr])
    const ears = [new Ear(here), new Ear(last)]
    await there.broadcast('from iroh')
    await Promise.all(ears.map((ear) => ear.message('from iroh')))
    await last.broadcast('from the end')
    await Promise.all([ears[0]!.message('from the end'), there.message('from the end')])
    await here.broadcast('from the middle')
    const direct = await Promise.all([ears[1]!.message('from the middle'), there.message('from the middle')])
    t.is(direct.length, 2)
  })
}

test('the reference stands between two of ours', async (t) => {
  const peer = await Peer.start(t)
  const [iroh, one, other] = await Promise.all([PeerGossip.start(peer), room(t), room(t)])
  const id = topicId(t.title)
  const there = await iroh.subscribe(id)
  const topics = [await one.gossip.subscribeAndJoin(id, [iroh.addr]), await other.gossip.subscribeAndJoin(id, [iroh.addr])]
  await Promise.all([there.up(one.endpoint.id), there.up(other.endpoint.id)])
  const ear = new Ear(topics[1]!)
  await topics[0]!.broadcast('across')
  await ear.message('across')
  // ForwardJoin told the two of each other, so in the end they are neighbors too.
  await ear.event('neighborUp', ({ endpointId }) => endpointId === one.endpoint.id)
  t.deepEqual(topics[1]!.neighbors().sort(), [one.endpoint.id, iroh.addr.id].sort())
})

test('a swarm of the reference and one of ours that knows of it become one', async (t) => {
  const peer = await Peer.start(t)
  const [known, other, one, two] = await Promise.all([PeerGossip.start(peer), PeerGossip.start(peer), room(t), room(t)])
  const id = topicId(t.title)
  const last = await two.gossip.subscribe(id)
  // The reference is not in the topic and ignores that Join; and we have a neighbor, so nobody joins again.
  const here = await one.gossip.subscribe(id, [two.endpoint.addr, known.addr])
  await Promise.all([here.joined(), last.joined()])
  await until(() => one.gossip.metrics().open_connections === 2)
  const there = [await other.subscribe(id), await known.subscribe(id, [other.addr])] as const
  await there[1].up(other.id)
  const ears = [new Ear(here), new Ear(last)]
  const theirs = [known.id, other.id]
  await Promise.all([
    Promise.any(ears.map((ear) => ear.event('neighborUp', ({ endpointId }) => theirs.includes(endpointId)))),
    Promise.any(there.flatMap((topic) => [one, two].map(({ endpoint }) => topic.up(endpoint.id)))),
  ])
  await last.broadcast('from ours')
  await Promise.all(there.map((topic) => topic.message('from ours')))
  await there[0].broadcast('from theirs')
  const heard = await Promise.all(ears.map((ear) => ear.message('from theirs')))
  t.true(heard.some(({ from }) => theirs.includes(from)))
})

test('a thousand messages each way arrive', async (t) => {
  const { here, there, ear } = await met(t)
  // A hundred at a time: the reference keeps 256 events for a subscriber that a busy machine holds up.
  for (let n = 1; n <= 10; n++) {
    const sent = Promise.all(Array.from({ length: 100 }, (_, m) => here.broadcast(`ours ${n} ${m}`)))
    await Promise.all([sent, there.broadcastMany(`iroh ${n} `, 100)])
    await Promise.all([there.unique(n * 100), ear.messages(n * 100)])
  }
  t.is(await there.unique(1_000), 1_000)
  t.is(ear.texts.size, 1_000)
  t.false(ear.events.some(({ type }) => type === 'lagged'))
})

test('our leaving is seen there, theirs is seen here', async (t) => {
  const { ours, iroh, id, here, there, ear } = await met(t)
  await there.quit()
  t.like(await ear.event('neighborDown'), { endpointId: iroh.id, reason: 'left' })
  const again = await iroh.subscribe(id, [ours.endpoint.addr])
  await again.up(ours.endpoint.id)
  await here.close()
  t.like(await again.down(ours.endpoint.id), { type: 'neighborDown' })
})

test('the shutdown of either side is seen at the other', async (t) => {
  const first = await met(t)
  await first.iroh.shutdown()
  await first.ear.event('neighborDown')
  const peer = await PeerGossip.start(first.peer)
  const there = await peer.subscribe(first.id)
  await first.here.join([peer.addr])
  await there.up(first.ours.endpoint.id)
  await first.ours.router.shutdown()
  t.like(await there.down(first.ours.endpoint.id), { id: first.ours.endpoint.id })
})

test('130 topics of one pair all join and deliver', async (t) => {
  const { iroh, ours } = await pair(t)
  const ids = Array.from({ length: 130 }, (_, n) => topicId(`${t.title} ${n}`))
  const there = await Promise.all(ids.map((id) => iroh.subscribe(id)))
  const here = await Promise.all(ids.map((id) => ours.gossip.subscribe(id, [iroh.addr])))
  await Promise.all(here.map((topic) => topic.joined({ timeoutMs: 60_000 })))
  const ears = here.map((topic) => new Ear(topic))
  await Promise.all(here.map((topic, n) => topic.broadcast(`ours ${n}`)))
  await Promise.all(there.map((topic, n) => topic.message(`ours ${n}`)))
  await Promise.all(there.map((topic, n) => topic.broadcast(`iroh ${n}`)))
  await Promise.all(ears.map((ear, n) => ear.message(`iroh ${n}`)))
  t.is(ours.gossip.metrics().open_connections, 1)
})

test('a reference that was killed and comes again with its key is a neighbor again', async (t) => {
  const key = Buffer.from(SecretKey.generate().toBytes()).toString('hex')
  const ours = await room(t, {}, { transport: { idleTimeoutMs: 8_000, keepAliveMs: 1_000 } })
  const id = topicId(t.title)
  const before = await Peer.spawn()
  const iroh = await PeerGossip.start(before, { secretKey: key, port: await ownPort() })
  await iroh.subscribe(id)
  const here = await ours.gossip.subscribeAndJoin(id, [iroh.addr])
  const ear = new Ear(here)
  const killed = performance.now()
  await before.kill()
  t.like(await ear.event('neighborDown'), { endpointId: iroh.id, reason: 'lost' })
  // Our eight seconds, not the thirty of the reference.
  t.true(performance.now() - killed < 28_000)
  const peer = await Peer.start(t)
  const again = await PeerGossip.start(peer, { secretKey: key, port: iroh.port })
  t.is(again.id, iroh.id)
  const there = await again.subscribe(id)
  // Nobody calls join: whoever has no neighbor tries those it knows.
  await there.up(ours.endpoint.id)
  await there.broadcast('back again')
  await ear.message('back again')
})

test('ours, killed and started again with its key, is a neighbor of the reference again', async (t) => {
  const peer = await Peer.start(t)
  const iroh = await PeerGossip.start(peer)
  const id = topicId(t.title)
  const there = await iroh.subscribe(id)
  const key = SecretKey.generate()
  const folder = mkdtempSync(join(tmpdir(), 'gaiwan-gossip-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'ours.mjs')
  writeFileSync(
    file,
    `import { Endpoint, Router } from '${gaiwan}'
    import { ALPN, Gossip } from '${new URL('../../ts/gossip/index.ts', import.meta.url)}'
    const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0', secretKey: '${Buffer.from(key.toBytes()).toString('hex')}' })
    const gossip = new Gossip(endpoint)
    Router.builder(endpoint).accept(ALPN, gossip).spawn()
    const topic = await gossip.subscribeAndJoin('${id}', [${JSON.stringify(iroh.addr)}], { timeoutMs: 60_000 })
    await topic.broadcast('it is ' + process.argv[2])`,
  )
  const start = (name: string) => {
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file, name], { stdio: 'inherit' })
    t.teardown(() => child.kill('SIGKILL'))
    return child
  }
  const first = start('first')
  await there.message('it is first')
  first.kill('SIGKILL')
  await once(first, 'exit')
  start('second')
  await there.message('it is second')
  t.deepEqual(await there.neighbors(), [key.id])
})

test('a reference that is there only after our first dial is joined without a word', async (t) => {
  const key = Buffer.from(SecretKey.generate().toBytes()).toString('hex')
  const id = topicId(t.title)
  const early = await Peer.spawn()
  const { addr, port } = await PeerGossip.start(early, { secretKey: key, port: await ownPort() })
  await early.kill()
  const ours = await room(t)
  const here = await ours.gossip.subscribe(id, [addr])
  const ear = new Ear(here)
  await t.throwsAsync(here.joined({ timeoutMs: 500 }), { instanceOf: GaiwanError })
  const peer = await Peer.start(t)
  const iroh = await PeerGossip.start(peer, { secretKey: key, port })
  const there = await iroh.subscribe(id)
  await here.joined({ timeoutMs: 60_000 })
  await there.broadcast('late')
  await ear.message('late')
  t.deepEqual(here.neighbors(), [iroh.id])
})

test('leaving one of two topics keeps the other', async (t) => {
  const { iroh, ours } = await pair(t)
  const ids = [topicId(`${t.title} a`), topicId(`${t.title} b`)] as const
  const there = await Promise.all(ids.map((id) => iroh.subscribe(id)))
  const here = await Promise.all(ids.map((id) => ours.gossip.subscribeAndJoin(id, [iroh.addr])))
  await Promise.all(there.map((topic) => topic.up(ours.endpoint.id)))
  await here[0]!.close()
  await there[0]!.down(ours.endpoint.id)
  const ear = new Ear(here[1]!)
  for (let n = 0; n < 10; n++) {
    await Promise.all([here[1]!.broadcast(`ours ${n}`), there[1]!.broadcast(`iroh ${n}`)])
    await Promise.all([there[1]!.message(`ours ${n}`), ear.message(`iroh ${n}`)])
  }
  t.deepEqual(here[1]!.neighbors(), [iroh.id])
  // The reference forgets the peer for both topics and dials again; what we keep is at most one beside that.
  t.true((ours.gossip.metrics().open_connections ?? 0) <= 2)
})

test('4,055 bytes go both ways; 4,056 we refuse and take', async (t) => {
  const { here, there, ear } = await met(t)
  const content = (length: number) => 'x'.repeat(length)
  await here.broadcast(content(4_055))
  await there.message(content(4_055))
  const error = await t.throwsAsync(here.broadcast(content(4_056)), { instanceOf: GaiwanError })
  t.is(error?.code, 'MESSAGE_TOO_LARGE')
  for (const length of [4_054, 4_056, 4_057]) {
    await there.broadcast(content(length))
    await ear.event('received', (event) => event.content.length === length)
  }
  await there.broadcast('and on')
  await ear.message('and on')
})

test('a pair that is silent for longer than the idle timeout still delivers', async (t) => {
  const { here, there, ear } = await met(t)
  // QUIC gives up after 30 s without a packet, and the reference forgets ids after 90 s.
  await pause(90_000)
  await here.broadcast('still here')
  await there.message('still here')
  await there.broadcast('so am I')
  await ear.message('so am I')
  t.deepEqual(
    ear.events.filter(({ type }) => type === 'neighborDown'),
    [],
  )
})
