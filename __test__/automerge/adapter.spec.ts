import {
  type DocHandleEphemeralMessagePayload,
  generateAutomergeUrl,
  type Message,
  parseAutomergeUrl,
  type PeerId,
  Repo,
} from '@automerge/automerge-repo'
import test from 'ava'
import { GaiwanNetworkAdapter } from '../../ts/automerge/index.js'
import { Endpoint, GaiwanError, Router, SecretKey } from '../../ts/index.js'
import { bind, LOOPBACK } from '../helpers/pair.js'
import { desk, desks, find, listen, met, moves, next, parted, until } from './network.js'
import { Wire } from './wire.js'

interface List {
  items: string[]
}
/** Loses a peer within 4 s, but not by a machine that falters, and comes back soon. */
const QUICK = {
  endpoint: { transport: { idleTimeoutMs: 4_000, keepAliveMs: 200 } },
  adapter: { retry: { initialMs: 50, maxMs: 200 } },
} as const

test('a document that one repo made is found by the other and edited both ways', async (t) => {
  const [a, b] = await desks(t)
  const here = a.repo.create<List>({ items: ['sencha'] })
  const there = await find<List>(b, here.url, ({ items }) => items.length === 1)
  here.change((doc) => void doc.items.push('oolong'))
  await until(there, ({ items }) => items.length === 2)
  there.change((doc) => void doc.items.push('assam'))
  await until(here, ({ items }) => items.length === 3)
  t.deepEqual([...here.doc().items], ['sencha', 'oolong', 'assam'])
  t.deepEqual([...there.doc().items], [...here.doc().items])
  t.deepEqual(moves(a), [`+ ${b.endpoint.id}`])
  t.deepEqual(moves(b), [`+ ${a.endpoint.id}`])
})

test('a document of the dialer is found by the acceptor, and one that nobody has is unavailable', async (t) => {
  const [a, b] = await desks(t)
  const there = b.repo.create<List>({ items: ['matcha'] })
  await find<List>(a, there.url, ({ items }) => items.length === 1)
  await t.throwsAsync(a.repo.find(generateAutomergeUrl()), { message: /unavailable/ })
  await t.throwsAsync(b.repo.find(generateAutomergeUrl()), { message: /unavailable/ })
})

test('find right after the start waits for the dial, so a document of the peer is not unavailable', async (t) => {
  const a = await desk(t)
  const made = a.repo.create<List>({ items: ['sencha'] })
  const b = await desk(t, { peers: [a.endpoint.addr] })
  t.false(b.adapter.isReady())
  const found = await b.repo.find<List>(made.url)
  t.is(found.doc().items[0], 'sencha')
  t.true(b.adapter.isReady())
})

test('whenReady resolves with nobody to dial at once, with a dead peer after its time, and isReady stays', async (t) => {
  const alone = await desk(t)
  await alone.adapter.whenReady()
  t.true(alone.adapter.isReady())
  const gone = await bind(t)
  const { addr } = gone
  await gone.close()
  const endpoint = await bind(t, { closeTimeoutMs: 200 })
  const adapter = new GaiwanNetworkAdapter({ endpoint, peers: [addr], readyTimeoutMs: 50 })
  t.false(adapter.isReady())
  await adapter.whenReady()
  t.true(adapter.isReady())
  const [a, b] = await desks(t)
  await a.router.shutdown()
  await parted(b, a)
  t.true(b.adapter.isReady())
})

test('ephemeral messages arrive once, also from further away, with their author', async (t) => {
  const [a, b] = await desks(t)
  const here = a.repo.create<List>({ items: [] })
  const middle = await find<List>(b, here.url, ({ items }) => items.length === 0)
  // Not earlier: while b searches for the document it asks c too, and then c has it down as unavailable.
  const c = await desk(t, { peers: [b.endpoint.addr] })
  await met(c, b)
  const far = await find<List>(c, here.url, ({ items }) => items.length === 0)
  const heard: string[] = []
  const first = new Promise<DocHandleEphemeralMessagePayload<List>>((resolve) => far.on('ephemeral-message', resolve))
  far.on('ephemeral-message', ({ message }) => heard.push(message as string))
  here.broadcast('tea?')
  const { senderId, message } = await first
  t.is(senderId, a.endpoint.id as PeerId)
  t.is(message, 'tea?')
  const answer = new Promise<unknown>((resolve) => here.on('ephemeral-message', ({ message: said }) => resolve(said)))
  far.broadcast('yes')
  t.is(await answer, 'yes')
  middle.change((doc) => void doc.items.push('and on'))
  await until(far, ({ items }) => items.length === 1)
  t.deepEqual(heard, ['tea?'])
})

test('many documents go over one connection', async (t) => {
  const [a, b] = await desks(t)
  const made = Array.from({ length: 100 }, (_, n) => a.repo.create<List>({ items: [`${n}`] }))
  const found = await Promise.all(made.map(({ url }) => b.repo.find<List>(url)))
  t.deepEqual(
    found.map((handle) => handle.doc().items[0]),
    made.map((_, n) => `${n}`),
  )
  const [session] = b.adapter.sessions()
  t.is(b.adapter.sessions().length, 1)
  t.deepEqual(
    [session?.state, session?.side, session?.remoteId, session?.peerId],
    ['open', 'client', a.endpoint.id, a.endpoint.id as PeerId],
  )
  t.true(session!.bytesReceived > 10_000 && session!.bytesSent > 1_000)
})

test('peer metadata is told, and is always an object', async (t) => {
  const [a, b] = [await desk(t), await bind(t, { closeTimeoutMs: 200 })]
  const adapter = new GaiwanNetworkAdapter({ endpoint: b, peers: [a.endpoint.addr] })
  t.teardown(() => adapter.disconnect())
  const told = next(a.adapter, 'peer-candidate')
  const heard = next(adapter, 'peer-candidate')
  adapter.connect(b.id as PeerId, { storageId: 'shelf' as never, isEphemeral: false })
  t.deepEqual(await told, { peerId: b.id, peerMetadata: { storageId: 'shelf', isEphemeral: false } })
  t.deepEqual(await heard, { peerId: a.endpoint.id, peerMetadata: { isEphemeral: true } })
  const gone = next(a.adapter, 'peer-disconnected')
  adapter.disconnect()
  await gone
  const again = next(a.adapter, 'peer-candidate')
  adapter.connect(b.id as PeerId)
  t.deepEqual(await again, { peerId: b.id, peerMetadata: { storageId: 'shelf', isEphemeral: false } }, 'the old metadata is kept')
})

for (let n = 0; n < 5; n++) {
  test(`two that dial each other at once keep one session, without a gap (${n})`, async (t) => {
    const [one, two] = await Promise.all([bind(t, { closeTimeoutMs: 200 }), bind(t, { closeTimeoutMs: 200 })])
    const make = (endpoint: Endpoint, peer: Endpoint) => {
      const adapter = new GaiwanNetworkAdapter({ endpoint, peers: [peer.addr], readyTimeoutMs: 60_000 })
      Router.builder(endpoint).accept('iroh/automerge-repo/1', adapter).spawn()
      return { endpoint, adapter, heard: listen(adapter), repo: new Repo({ peerId: endpoint.id as PeerId, network: [adapter] }) }
    }
    const [a, b] = [make(one, two), make(two, one)]
    t.teardown(() => Promise.all([a.repo.shutdown(), b.repo.shutdown()]))
    await Promise.all([a.repo.networkSubsystem.whenReady(), b.repo.networkSubsystem.whenReady()])
    const made = a.repo.create<List>({ items: ['sencha'] })
    const found = await b.repo.find<List>(made.url)
    found.change((doc) => void doc.items.push('oolong'))
    await until(made, ({ items }) => items.length === 2)
    const open = () => [...a.adapter.sessions(), ...b.adapter.sessions()].filter(({ state }) => state === 'open')
    t.is(open().length, 2)
    const smaller = one.id < two.id ? a : b
    const [kept] = smaller.adapter.sessions().filter(({ state }) => state === 'open')
    t.is(kept?.side, 'client', 'the one that the smaller id dialed')
    t.deepEqual([moves(a).length, moves(b).length], [1, 1])
  })
}

test('the network is cut and heals: both are told, and what was changed meanwhile comes', async (t) => {
  const a = await desk(t, QUICK)
  const wire = await Wire.to(t, a.endpoint.boundAddresses[0]!)
  const b = await desk(t, { ...QUICK, peers: [{ id: a.endpoint.id, addresses: [wire.address] }] })
  await Promise.all([met(a, b), met(b, a)])
  const here = a.repo.create<List>({ items: ['sencha'] })
  const there = await find<List>(b, here.url, ({ items }) => items.length === 1)
  wire.cut()
  await Promise.all([parted(a, b), parted(b, a)])
  here.change((doc) => void doc.items.push('here'))
  there.change((doc) => void doc.items.push('there'))
  wire.heal()
  await Promise.all([until(here, ({ items }) => items.length === 3), until(there, ({ items }) => items.length === 3)])
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const { id } = other.endpoint
    t.deepEqual(moves(one).slice(0, 3), [`+ ${id}`, `- ${id}`, `+ ${id}`])
    // A machine that is busy may lose it again; it is told of in turns all the same.
    for (const [n, line] of moves(one).entries()) t.is(line, `${n % 2 === 0 ? '+' : '-'} ${id}`)
  }
})

test('a peer that was restarted without a word is met again, by the same id, with all it needs', async (t) => {
  const secretKey = SecretKey.generate()
  const first = await desk(t, { ...QUICK, endpoint: { ...QUICK.endpoint, secretKey } })
  const wire = await Wire.to(t, first.endpoint.boundAddresses[0]!)
  const b = await desk(t, { ...QUICK, peers: [{ id: first.endpoint.id, addresses: [wire.address] }] })
  await met(b, first)
  const made = b.repo.create<List>({ items: ['sencha'] })
  await find<List>(first, made.url, ({ items }) => items.length === 1)
  // Nothing that it says while it goes down arrives.
  wire.cut()
  await first.repo.shutdown()
  await first.router.shutdown()
  const second = await desk(t, { ...QUICK, endpoint: { ...QUICK.endpoint, secretKey } })
  await parted(b, first)
  wire.heal(second.endpoint.boundAddresses[0]!)
  await Promise.all([met(b, second), met(second, b)])
  const again = await find<List>(second, made.url, ({ items }) => items.length === 1)
  again.change((doc) => void doc.items.push('oolong'))
  await until(made, ({ items }) => items.length === 2)
  const { id } = first.endpoint
  t.deepEqual(moves(b), [`+ ${id}`, `- ${id}`, `+ ${id}`])
})

test('a peer that comes back itself is met again: nobody has to dial it', async (t) => {
  const [a, b] = await desks(t)
  b.adapter.disconnect()
  await parted(a, b)
  b.adapter.connect(b.endpoint.id as PeerId)
  await Promise.all([met(a, b), met(b, a)])
  const made = a.repo.create<List>({ items: ['sencha'] })
  await find<List>(b, made.url, ({ items }) => items.length === 1)
  const { id } = b.endpoint
  t.deepEqual(moves(a), [`+ ${id}`, `- ${id}`, `+ ${id}`])
})

test.serial('a thread that is blocked for longer than the idle timeout does not lose the peer', async (t) => {
  const [a, b] = await desks(t, QUICK, QUICK)
  const end = performance.now() + 5_000
  while (performance.now() < end);
  const made = a.repo.create<List>({ items: ['sencha'] })
  await find<List>(b, made.url, ({ items }) => items.length === 1)
  t.deepEqual([moves(a).length, moves(b).length], [1, 1])
})

test('disconnect tells of each peer once, before it returns, and nothing is delivered or sent after it', async (t) => {
  const [a, b] = await desks(t)
  a.adapter.disconnect()
  t.deepEqual(moves(a), [`+ ${b.endpoint.id}`, `- ${b.endpoint.id}`])
  a.adapter.disconnect()
  await parted(b, a)
  const { documentId } = parseAutomergeUrl(generateAutomergeUrl())
  const message = { type: 'sync', documentId, senderId: a.endpoint.id, targetId: b.endpoint.id, data: Uint8Array.of(1) } as Message
  t.notThrows(() => a.adapter.send(message))
  t.deepEqual(moves(a).length, 2)
  t.deepEqual(
    a.heard.filter((line) => !/^[+-]/.test(line)),
    [],
  )
  let closed = 0
  a.adapter.on('close', () => closed++)
  await a.endpoint.close()
  t.is(closed, 0, 'it was disconnected already')
})

test('close is told when the endpoint closes under a connected adapter, behind the goodbyes', async (t) => {
  const [a, b] = await desks(t)
  a.adapter.on('close', () => a.heard.push('close'))
  await a.endpoint.close()
  t.deepEqual(
    a.heard.filter((line) => /^[-c]/.test(line)),
    [`- ${b.endpoint.id}`, 'close'],
  )
  t.throws(() => a.adapter.connect(a.endpoint.id as PeerId), { instanceOf: GaiwanError, code: 'ENDPOINT_CLOSED' })
})

test('send refuses a message of no bytes, as the other adapters do', async (t) => {
  const { adapter, endpoint } = await desk(t)
  const message = { type: 'sync', senderId: endpoint.id, targetId: 'nobody', data: new Uint8Array(0) } as unknown as Message
  t.throws(() => adapter.send(message), { message: /zero-length/ })
})

test('with verified ids a repo of another name is refused at once, with a warning', async (t) => {
  const endpoint = await bind(t)
  const adapter = new GaiwanNetworkAdapter({ endpoint })
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
  t.throws(() => adapter.connect('alice' as PeerId), { instanceOf: GaiwanError, code: 'PEER_ID_MISMATCH' })
  t.regex((await warned).message, /peerId: endpoint\.id/)
  t.notThrows(() => new GaiwanNetworkAdapter({ endpoint, peerIds: 'any' }).connect('alice' as PeerId))
})

test('accept decides who may come; one that throws says no; the repo never hears of a stranger', async (t) => {
  const [friend, stranger] = [await bind(t, { closeTimeoutMs: 200 }), await bind(t, { closeTimeoutMs: 200 })]
  const errors: unknown[] = []
  const a = await desk(t, {
    adapter: {
      accept: (remoteId) => {
        if (remoteId === stranger.id) throw new Error('a stranger')
        return remoteId === friend.id
      },
    },
  })
  a.endpoint.on('handlerError', (error) => errors.push(error))
  const refused = await stranger.connect(a.endpoint.addr, 'iroh/automerge-repo/1')
  const { by, code } = await refused.closed
  t.deepEqual([by, code], ['remote', 1n])
  t.is((errors[0] as Error).message, 'a stranger')
  const third = await (await bind(t)).connect(a.endpoint.addr, 'iroh/automerge-repo/1')
  t.is((await third.closed).code, 1n)
  const adapter = new GaiwanNetworkAdapter({ endpoint: friend, peers: [a.endpoint.addr] })
  t.teardown(() => adapter.disconnect())
  adapter.connect(friend.id as PeerId)
  await met(a, { endpoint: friend })
  t.deepEqual(moves(a), [`+ ${friend.id}`])
})

test('the share policy of the repo decides by the verified id', async (t) => {
  const [friend, other] = [SecretKey.generate(), SecretKey.generate()]
  const a = await desk(t, { repo: { shareConfig: { announce: async () => false, access: async (peerId) => peerId === friend.id } } })
  const made = a.repo.create<List>({ items: ['secret'] })
  const peers = [a.endpoint.addr]
  const [good, bad] = [await desk(t, { peers, endpoint: { secretKey: friend } }), await desk(t, { peers, endpoint: { secretKey: other } })]
  await Promise.all([met(good, a), met(bad, a)])
  await find<List>(good, made.url, ({ items }) => items.length === 1)
  await t.throwsAsync(bad.repo.find(made.url), { message: /unavailable/ })
})

test('addPeer dials at run time and removePeer takes that back', async (t) => {
  const [a, b] = [await desk(t), await desk(t)]
  b.adapter.addPeer(a.endpoint.ticket())
  await Promise.all([met(a, b), met(b, a)])
  b.adapter.removePeer(a.endpoint.id)
  await Promise.all([parted(a, b), parted(b, a)])
  t.deepEqual(
    b.adapter.sessions().filter(({ state }) => state !== 'closing'),
    [],
  )
  b.adapter.addPeer(a.endpoint.addr)
  await Promise.all([met(a, b), met(b, a)])
  t.is(moves(b).length, 3)
})

test('sessions tells of a dial that goes on', async (t) => {
  const { id, boundAddresses } = await bind(t)
  const wire = await Wire.to(t, boundAddresses[0]!)
  wire.cut()
  const b = await desk(t, { peers: [{ id, addresses: [wire.address] }], adapter: { readyTimeoutMs: 10 } })
  await b.adapter.whenReady()
  const [session] = b.adapter.sessions()
  t.deepEqual([session?.remoteId, session?.peerId, session?.state, session?.side], [id, id as PeerId, 'dialing', 'client'])
})

test('without retry a peer is dialed once', async (t) => {
  const a = await desk(t)
  const b = await desk(t, { peers: [a.endpoint.addr], adapter: { retry: false } })
  await met(b, a)
  await a.router.shutdown()
  await parted(b, a)
  t.deepEqual(
    b.adapter.sessions().filter(({ state }) => state !== 'closing'),
    [],
  )
})

test('an adapter joins a Router that runs, and leaves it when it disconnects', async (t) => {
  const endpoint = await bind(t, { closeTimeoutMs: 200 })
  const router = Router.builder(endpoint)
    .accept('echo', (connection) => connection.serve((body) => body))
    .spawn()
  t.teardown(() => router.shutdown())
  const dialer = await bind(t)
  const before = await dialer.connect(endpoint.addr, 'echo')
  const adapter = new GaiwanNetworkAdapter({ endpoint, router })
  await t.throwsAsync(dialer.connect(endpoint.addr, 'iroh/automerge-repo/1'), { code: 'ALPN_MISMATCH' })
  const repo = new Repo({ peerId: endpoint.id as PeerId, network: [adapter] })
  const made = repo.create<List>({ items: ['sencha'] })
  const b = await desk(t, { peers: [endpoint.addr], adapter: { retry: { initialMs: 20 } } })
  await find<List>(b, made.url, ({ items }) => items.length === 1)
  t.is(new TextDecoder().decode(await before.request('still here')), 'still here')
  t.is(new TextDecoder().decode(await (await dialer.connect(endpoint.addr, 'echo')).request('tea')), 'tea')
  await repo.shutdown()
  await t.throwsAsync(dialer.connect(endpoint.addr, 'iroh/automerge-repo/1'), { code: 'ALPN_MISMATCH' })
  t.is(new TextDecoder().decode(await before.request('and here')), 'and here')
  const wrong = await Endpoint.bind({ bind: LOOPBACK })
  t.teardown(() => wrong.close())
  t.throws(() => new GaiwanNetworkAdapter({ endpoint: wrong, router }), { instanceOf: TypeError, message: /^router: / })
})

test('wrong options are told at once', async (t) => {
  const endpoint = await bind(t)
  const wrong: [object, RegExp][] = [
    [{ endpoint: {} }, /^endpoint: /],
    [{ router: {} }, /^router: /],
    [{ peers: 'x' }, /^peers: /],
    [{ peers: ['x'] }, /^peers\[0\]: /],
    [{ peerIds: 'some' }, /^peerIds: /],
    [{ accept: true }, /^accept: /],
    [{ maxSendBytes: 0 }, /^maxSendBytes: /],
    [{ maxReceiveBytes: 2 ** 33 }, /^maxReceiveBytes: /],
    [{ maxQueueBytes: '1' }, /^maxQueueBytes: /],
    [{ retry: true }, /^retry: /],
    [{ retry: { initialMs: 10, maxMs: 5 } }, /^retry\.maxMs: /],
    [{ readyTimeoutMs: -1 }, /^readyTimeoutMs: /],
  ]
  for (const [options, message] of wrong) t.throws(() => new GaiwanNetworkAdapter({ endpoint, ...options } as never), { message })
  t.throws(() => new GaiwanNetworkAdapter(undefined as never), { instanceOf: TypeError, message: /^options: / })
})
