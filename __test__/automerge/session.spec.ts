// What a peer may do to a session, and what becomes of it.
import * as Automerge from '@automerge/automerge'
import {
  type DocHandleEphemeralMessagePayload,
  generateAutomergeUrl,
  type Message,
  parseAutomergeUrl,
  type PeerId,
} from '@automerge/automerge-repo'
import test from 'ava'
import { REPO_ALPN } from '../../ts/automerge/index.js'
import { LIMITS, type SessionLimits } from '../../ts/automerge/protocol.js'
import { Session, type SessionContext } from '../../ts/automerge/session.js'
import { type Endpoint, type ErrorCode, GaiwanError } from '../../ts/index.js'
import { acceptOne, bind } from '../helpers/pair.js'
import { type Desk, desk, message, met, moves, parted } from './network.js'
import { acceptRepo, dialRepo, join, joinRepo, peer, type Said, type Scripted } from './scripted.js'

const documentId = () => parseAutomergeUrl(generateAutomergeUrl()).documentId

/** A sync message that is one. */
function syncData(): Uint8Array {
  return Automerge.generateSyncMessage(Automerge.init(), Automerge.initSyncState())[1]!
}

function request(from: Scripted, to: Desk, more: Record<string, unknown> = {}): Said {
  return { type: 'request', documentId: documentId(), senderId: own(from), targetId: to.endpoint.id, data: syncData(), ...more }
}

const owners = new WeakMap<Scripted, string>()
const own = (scripted: Scripted): string => owners.get(scripted)!

async function guest(t: Parameters<typeof joinRepo>[0], to: Desk): Promise<Scripted> {
  const endpoint = await bind(t, { closeTimeoutMs: 200 })
  const scripted = await joinRepo(t, to, endpoint)
  owners.set(scripted, endpoint.id)
  await met(to, { endpoint })
  return scripted
}

/** Errors that the endpoint tells. */
function errors({ endpoint }: Desk): { code: () => ErrorCode[]; next: Promise<unknown> } {
  const all: unknown[] = []
  const next = new Promise((resolve) => {
    endpoint.on('handlerError', (error) => {
      all.push(error)
      resolve(error)
    })
  })
  return { code: () => all.map((error) => (error as GaiwanError).code), next }
}

for (const [name, first, said] of [
  ['that is not join', { type: 'request' }, 'expected a join message'],
  ['of another version', { supportedProtocolVersions: ['2'] }, 'unsupported protocol version'],
  ['that claims another peer id', { senderId: 'ab'.repeat(32) }, 'the peer id is not the verified endpoint id'],
  ['that claims our own id', 'us', 'the peer claims our own id'],
  ['without an id', { senderId: 7 }, 'a handshake without senderId'],
] as const) {
  test(`a first frame ${name} is answered by an error, and the repo hears nothing`, async (t) => {
    const a = await desk(t)
    const told = errors(a)
    const endpoint = await bind(t, { closeTimeoutMs: 200 })
    const stranger = await dialRepo(t, a.endpoint.addr, endpoint)
    await stranger.say(join(endpoint.id, first === 'us' ? { senderId: a.endpoint.id } : first))
    const answer = await stranger.hear()
    t.is(answer.type, 'error')
    t.is(answer['message'], said)
    t.is(await stranger.next(), null)
    t.is((await stranger.connection.closed).code, 0n)
    await told.next
    t.deepEqual(a.heard, [])
    t.deepEqual(told.code(), [/claim|verified/.test(said) ? 'PEER_ID_MISMATCH' : 'PROTOCOL_VIOLATION'])
  })
}

test('the dialer says join first and takes only a peer that is the verified one, for it, and of version 1', async (t) => {
  for (const [more, said] of [
    [{ targetId: 'somebody' }, 'a peer message for somebody else'],
    [{ senderId: 'somebody' }, 'the peer id is not the verified endpoint id'],
    [{ selectedProtocolVersion: '2' }, 'unsupported protocol version'],
    [{ type: 'join' }, 'expected a peer message'],
  ] as const) {
    const { endpoint, scripted } = await acceptRepo(t)
    const b = await desk(t, { peers: [endpoint.addr], adapter: { retry: false } })
    const server = await scripted
    const first = await server.hear()
    t.is(first.type, 'join')
    t.deepEqual(first['supportedProtocolVersions'], ['1'])
    t.is(first['senderId'], b.endpoint.id)
    t.deepEqual([first['peerMetadata'], first['metadata']], [{ isEphemeral: true }, { isEphemeral: true }])
    await server.say(peer(endpoint.id, b.endpoint.id, more))
    t.is((await server.hear())['message'], said)
    t.is((await server.connection.closed).code, 0n)
    t.deepEqual(b.heard, [])
  }
})

test('an error of the peer ends the dial, with its text as the reason', async (t) => {
  const { endpoint, scripted } = await acceptRepo(t)
  const b = await desk(t, { peers: [endpoint.addr], adapter: { retry: false } })
  const told = errors(b)
  const server = await scripted
  await server.hear()
  await server.say({ type: 'error', message: 'not today' })
  const error = (await told.next) as GaiwanError
  t.deepEqual([error.code, error.reason], ['PROTOCOL_VIOLATION', 'not today'])
})

test('peer is the first frame of the acceptor, also when it has documents to tell of at once', async (t) => {
  const a = await desk(t)
  for (let n = 0; n < 20; n++) a.repo.create({ n })
  const endpoint = await bind(t, { closeTimeoutMs: 200 })
  const stranger = await joinRepo(t, a, endpoint)
  t.is((await stranger.hear()).type, 'sync')
})

for (const [name, play, code] of [
  ['join again', (g, a) => g.say(join(own(g))).then(() => a), 'PROTOCOL_VIOLATION'],
  ['peer again', (g, a) => g.say(peer(own(g), a.endpoint.id)).then(() => a), 'PROTOCOL_VIOLATION'],
  ['a frame of no bytes', (g) => g.frame(new Uint8Array(0)), 'PROTOCOL_VIOLATION'],
  ['junk in place of CBOR', (g) => g.frame(Uint8Array.of(0x9f, 0xff, 0x1c)), 'PROTOCOL_VIOLATION'],
  ['an array without end', (g) => g.frame(new Uint8Array(100_000).fill(0x81)), 'PROTOCOL_VIOLATION'],
  [
    'a map of a thousand keys',
    (g) => g.say({ type: 'x', ...Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`${n}`, n])) }),
    'PROTOCOL_VIOLATION',
  ],
  ['4 GiB announced', (g) => g.raw(Uint8Array.of(0xff, 0xff, 0xff, 0xff)), 'FRAME_TOO_LARGE'],
  ['a sync message without its document', (g, a) => g.say(request(g, a, { documentId: undefined })), 'PROTOCOL_VIOLATION'],
  ['a sync message without data', (g, a) => g.say(request(g, a, { data: 'text' })), 'PROTOCOL_VIOLATION'],
  [
    'ten messages of somebody else',
    async (g, a) => {
      for (let n = 0; n < 10; n++) await g.say(request(g, a, n % 2 === 0 ? { senderId: 'x' } : { targetId: 'x' }))
    },
    'PROTOCOL_VIOLATION',
  ],
  [
    'ten documentIds that are none',
    async (g, a) => {
      for (let n = 0; n < 10; n++) await g.say(request(g, a, { documentId: `0${n}` }))
    },
    'PROTOCOL_VIOLATION',
  ],
  [
    'three sync messages that do not decode',
    async (g, a) => {
      for (let n = 0; n < 3; n++) await g.say(request(g, a, { data: Uint8Array.of(0x42, 9, n) }))
    },
    'PROTOCOL_VIOLATION',
  ],
] as [string, (guest: Scripted, a: Desk) => Promise<unknown>, ErrorCode][]) {
  test(`${name}: an error frame, the session is over, the process goes on`, async (t) => {
    const a = await desk(t)
    const told = errors(a)
    const g = await guest(t, a)
    await play(g, a)
    t.is((await g.hearThe('error')).type, 'error')
    await g.connection.closed
    await told.next
    t.deepEqual(told.code(), [code])
    t.deepEqual(moves(a), [`+ ${own(g)}`, `- ${own(g)}`])
    const again = await guest(t, a)
    await again.say(request(again, a))
    t.is((await again.hearThe('doc-unavailable')).type, 'doc-unavailable')
  })
}

test('a few messages that do not belong here are overlooked, and never reach the repo', async (t) => {
  const a = await desk(t)
  const g = await guest(t, a)
  for (let n = 0; n < 3; n++) await g.say(request(g, a, { senderId: 'somebody' }))
  for (let n = 0; n < 3; n++) await g.say(request(g, a, { targetId: 'somebody' }))
  for (let n = 0; n < 3; n++) await g.say({ type: `later ${n}`, senderId: own(g), targetId: a.endpoint.id })
  for (let n = 0; n < 2; n++) await g.say(request(g, a, { data: Uint8Array.of(0x99) }))
  // Heads of a document that is not here would be a failure that the repo does not catch.
  await g.say({
    type: 'remote-heads-changed',
    senderId: own(g),
    targetId: a.endpoint.id,
    documentId: documentId(),
    newHeads: { shelf: { heads: [], timestamp: 2 ** 41 } },
  })
  const good = request(g, a)
  const came = message(a.adapter, ({ type }) => type === 'request')
  await g.say(good)
  t.is((await came).documentId, good['documentId'] as never)
  t.deepEqual(
    a.heard.filter((line) => !/^[+-]/.test(line)),
    ['request'],
  )
})

test('leave and the end of the stream are an ordinary end', async (t) => {
  const a = await desk(t)
  const told = errors(a)
  const [one, two] = [await guest(t, a), await guest(t, a)]
  await one.say({ type: 'leave', senderId: own(one) })
  t.is((await one.connection.closed).code, 0n)
  await two.stream.send.finish()
  t.is((await two.connection.closed).code, 0n)
  t.is(moves(a).filter((line) => line.startsWith('-')).length, 2)
  t.deepEqual(told.code(), [])
})

test('ephemeral messages keep their author, and one that is replayed is cut by the repo', async (t) => {
  const a = await desk(t)
  const handle = a.repo.create({ cups: 1 })
  const g = await guest(t, a)
  const heard: unknown[] = []
  const far = { type: 'ephemeral', documentId: handle.documentId, senderId: 'far away', targetId: a.endpoint.id, sessionId: 's' }
  const last = new Promise<DocHandleEphemeralMessagePayload<unknown>>((resolve) => {
    handle.on('ephemeral-message', (payload) => {
      heard.push(payload.message)
      if (payload.message === 2) resolve(payload)
    })
  })
  for (const count of [1, 1, 1, 2 ** 40]) await g.say({ ...far, count, data: Uint8Array.of(count === 1 ? 1 : 2) })
  t.is((await last).senderId, 'far away' as PeerId)
  t.deepEqual(heard, [1, 2])
})

test('a newer connection of the same peer takes the place of the older, goodbye first', async (t) => {
  const a = await desk(t)
  const endpoint = await bind(t, { closeTimeoutMs: 200 })
  const old = await joinRepo(t, a, endpoint)
  await met(a, { endpoint })
  const young = await joinRepo(t, a, endpoint)
  t.is((await old.connection.closed).code, 0n)
  t.deepEqual(moves(a), [`+ ${endpoint.id}`, `- ${endpoint.id}`, `+ ${endpoint.id}`])
  owners.set(young, endpoint.id)
  await young.say(request(young, a))
  t.is((await young.hearThe('doc-unavailable')).type, 'doc-unavailable')
})

test('a peer that does not read: the queue has a limit, then its session ends, and others go on', async (t) => {
  const a = await desk(t, { adapter: { maxQueueBytes: 2_000_000 } })
  const told = errors(a)
  const [lazy, other] = [await guest(t, a), await guest(t, a)]
  const data = new Uint8Array(1_000_000).fill(1)
  const frame = { type: 'sync', documentId: documentId(), senderId: a.endpoint.id, targetId: own(lazy), data } as unknown as Message
  for (let n = 0; n < 8; n++) a.adapter.send(frame)
  await lazy.connection.closed
  await parted(a, { endpoint: { id: own(lazy) } as Endpoint })
  t.deepEqual(told.code(), ['FRAME_TOO_LARGE'])
  t.is(((await told.next) as Error).message.includes('2000000 bytes'), true)
  await other.say(request(other, a))
  t.is((await other.hearThe('doc-unavailable')).type, 'doc-unavailable')
})

/** A session with limits of the test's own, and the scripted peer that dialed it. */
async function limited(
  t: Parameters<typeof joinRepo>[0],
  limits: Partial<SessionLimits>,
): Promise<{ session: Promise<Session>; guest: Scripted; us: string; them: string }> {
  const [server, client] = [await bind(t, { alpns: [REPO_ALPN], closeTimeoutMs: 200 }), await bind(t, { closeTimeoutMs: 200 })]
  const context: SessionContext = {
    peerId: server.id as PeerId,
    peerMetadata: {},
    strict: true,
    maxReceiveBytes: 1_000_000,
    limits: { ...LIMITS, ...limits },
    isOurs: () => false,
  }
  const [scripted, connection] = await Promise.all([dialRepo(t, server.addr, client), acceptOne(server)])
  return { session: Session.accept(connection, context), guest: scripted, us: server.id, them: client.id }
}

test('silence in the handshake and inside a frame ends the session with TIMEOUT', async (t) => {
  const silent = await limited(t, { handshakeMs: 50 })
  await t.throwsAsync(silent.session, { instanceOf: GaiwanError, code: 'TIMEOUT' })
  await silent.guest.connection.closed
  const half = await limited(t, { frameMs: 50 })
  await half.guest.say(join(half.them))
  const session = await half.session
  session.open()
  const over = session.run(() => t.fail('half a frame is none'))
  await half.guest.raw(Uint8Array.of(0, 0, 1, 0, 1, 2, 3))
  t.true(GaiwanError.is(await over, 'TIMEOUT'))
  await half.guest.connection.closed
})

test('documents that a peer brings up: so many a second, then it waits, and so many at all', async (t) => {
  const { session: opening, guest: g, us, them } = await limited(t, { documentsPerSecond: 20, maxDocuments: 30 })
  await g.say(join(them))
  const session = await opening
  session.open()
  const at: number[] = []
  const over = session.run(() => at.push(performance.now()))
  for (let n = 0; n < 31; n++) {
    await g.say({ type: 'request', documentId: documentId(), senderId: them, targetId: us, data: syncData() })
  }
  t.true(GaiwanError.is(await over, 'PROTOCOL_VIOLATION'))
  t.is(at.length, 30)
  // Twenty at once and ten more at twenty a second: half a second from the first on, whenever they came.
  t.true(at[29]! - at[0]! > 450, `${at[29]! - at[0]!} ms`)
  t.regex((await g.hearThe('error'))['message'] as string, /more than 30 documents/)
})

test('a session that is closed writes what is queued, and closes in time if nobody reads', async (t) => {
  const { session: opening, guest: g, them } = await limited(t, { closeMs: 60_000 })
  await g.say(join(them))
  const session = await opening
  session.open()
  void session.run(() => {})
  const frames = Array.from({ length: 50 }, (_, n) => Uint8Array.of(0, 0, 0, 1, n))
  for (const frame of frames) session.send(frame, false)
  const closed = session.close()
  session.send(Uint8Array.of(0, 0, 0, 1, 99), false)
  t.is((await g.hear()).type, 'peer')
  for (let n = 0; n < 50; n++) t.is((await g.next())?.[0], n)
  t.is(await g.next(), null, 'what came behind close is not sent')
  await closed
  const { by, code } = await g.connection.closed
  t.deepEqual([by, code], ['remote', 0n])

  const stuck = await limited(t, { closeMs: 50 })
  await stuck.guest.say(join(stuck.them))
  const other = await stuck.session
  other.open()
  void other.run(() => {})
  for (let n = 0; n < 10; n++) other.send(new Uint8Array(1_000_000), false)
  await other.close()
  await stuck.guest.connection.closed
  t.is(other.facts.state, 'closing')
})
