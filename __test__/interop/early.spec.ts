// 0-RTT and session resumption: the third connect, a restarted acceptor, early acceptors, tickets and ALPNs.
import { randomBytes } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { type Connection, type EarlyConnection, type Endpoint, GaiwanError, type RecvStream } from '../../ts/index.js'
import { Gate } from './gate.js'
import { ALPN, bind, nextIncoming, peerFails, present } from './meeting.js'
import { Peer } from './peer.js'
import type { PeerConnection, PeerEndpoint, PeerRecv } from './peer-handles.js'

interface Visit {
  readonly attempted: boolean
  readonly accepted: boolean | null
}

/** Asks iroh one question as early as can be: with a ticket, in a 0-RTT packet before iroh's first word. */
async function visitIroh(t: ExecutionContext, endpoint: Endpoint, gate: Gate, there: PeerEndpoint, ticket: boolean): Promise<Visit> {
  gate.target = there.address
  if (ticket) gate.hold()
  const early = await endpoint.connectEarly({ id: there.id, addresses: gate.addresses }, ALPN)
  t.is(early.remoteId, there.id)
  t.is(early.attempted, ticket)
  const left = ticket ? gate.earlyPacket() : null
  let question = await askIroh(early)
  await left
  gate.release()

  const answering = answer(there)
  const accepted = await early.accepted
  if (early.attempted && !accepted) {
    const error = await t.throwsAsync(question.readToEnd(100), { instanceOf: GaiwanError })
    t.is(error?.code, 'EARLY_DATA_REJECTED')
    question = await askIroh(early)
  }
  t.is(Buffer.from(await question.readToEnd(100)).toString(), 'TEA?')
  const connection = await early.handshake()
  t.is(connection.remoteId, there.id)
  t.is(connection.alpn, ALPN)
  const iroh = await answering
  t.is(iroh.remoteId, endpoint.id)
  connection.close()
  await iroh.closed()
  return { attempted: early.attempted, accepted }
}

async function askIroh(early: EarlyConnection): Promise<RecvStream> {
  const { send, recv } = await early.openBi()
  await send.write('tea?')
  await send.finish()
  return recv
}

async function answer(there: PeerEndpoint): Promise<PeerConnection> {
  const iroh = await there.nextConnection()
  const { send, recv } = await iroh.acceptBi()
  await send.write((await recv.readText()).toUpperCase())
  await send.finish()
  return iroh
}

/** Lets iroh ask us one question as early as can be: with a ticket, before we accept its attempt. */
async function visitGaiwan(
  t: ExecutionContext,
  there: PeerEndpoint,
  endpoint: Endpoint,
  ticket: boolean,
  addresses: readonly string[] = endpoint.boundAddresses,
): Promise<Visit> {
  const dialing = there.connect({ id: endpoint.id, addresses }, ALPN, { early: true })
  const incoming = await nextIncoming(endpoint)
  const asking = dialing.then(async (iroh) => ({ iroh, question: await askGaiwan(iroh) }))
  if (ticket) await asking
  const gaiwan = await incoming.accept()
  const { iroh, question } = await asking
  t.is(gaiwan.remoteId, there.id)

  const answering = answerIroh(gaiwan)
  const { accepted, remoteId } = await iroh.handshake()
  t.is(remoteId, endpoint.id)
  let recv = question
  if (iroh.attempted && accepted === false) {
    t.is((await peerFails(t, question.readText())).kind, 'early-rejected')
    recv = await askGaiwan(iroh)
  }
  t.is(await recv.readText(), 'TEA?')
  await answering
  await iroh.close()
  await gaiwan.closed
  return { attempted: iroh.attempted, accepted }
}

async function askGaiwan(iroh: PeerConnection): Promise<PeerRecv> {
  const { send, recv } = await iroh.openBi()
  await send.write('tea?')
  await send.finish()
  return recv
}

/** Answers one question; whether it was accepted before the handshake was done. */
async function answerIroh(gaiwan: Pick<Connection, 'acceptBi'>): Promise<boolean> {
  const { send, recv } = present(await gaiwan.acceptBi())
  await send.write(
    Buffer.from(await recv.readToEnd(100))
      .toString()
      .toUpperCase(),
  )
  await send.finish()
  return recv.isEarly
}

test('gaiwan dials iroh: the second and the third visit are early and accepted', async (t) => {
  const [peer, gate] = await Promise.all([Peer.start(t), Gate.open(t)])
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN] })])
  await there.accept()
  t.deepEqual(await visitIroh(t, endpoint, gate, there, false), { attempted: false, accepted: false })
  for (let visit = 2; visit <= 4; visit++) {
    t.deepEqual(await visitIroh(t, endpoint, gate, there, true), { attempted: true, accepted: true })
  }
})

test('iroh dials gaiwan: the second and the third visit are early and accepted', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  t.deepEqual(await visitGaiwan(t, there, endpoint, false), { attempted: false, accepted: false })
  for (let visit = 2; visit <= 4; visit++) {
    t.deepEqual(await visitGaiwan(t, there, endpoint, true), { attempted: true, accepted: true })
  }
})

test('a restarted iroh rejects the early data of gaiwan, which asks again on the same connection', async (t) => {
  const [peer, gate] = await Promise.all([Peer.start(t), Gate.open(t)])
  const secretKey = randomBytes(32).toString('hex')
  const endpoint = await bind(t)
  let there = await peer.bind({ secretKey, alpns: [ALPN] })
  await there.accept()
  t.deepEqual(await visitIroh(t, endpoint, gate, there, false), { attempted: false, accepted: false })
  await there.close()
  there = await peer.bind({ secretKey, alpns: [ALPN] })
  await there.accept()
  t.deepEqual(await visitIroh(t, endpoint, gate, there, true), { attempted: true, accepted: false })
  // What the new one gave is good again.
  t.deepEqual(await visitIroh(t, endpoint, gate, there, true), { attempted: true, accepted: true })
})

test('a restarted gaiwan rejects the early data of iroh, which asks again on the same connection', async (t) => {
  const peer = await Peer.start(t)
  const secretKey = randomBytes(32)
  const there = await peer.bind()
  let endpoint = await bind(t, { secretKey })
  t.false((await visitGaiwan(t, there, endpoint, false)).attempted)
  await endpoint.close()
  endpoint = await bind(t, { secretKey })
  t.deepEqual(await visitGaiwan(t, there, endpoint, true), { attempted: true, accepted: false })
  t.deepEqual(await visitGaiwan(t, there, endpoint, true), { attempted: true, accepted: true })
})

test('an ordinary connect gets tickets too', async (t) => {
  const [peer, gate] = await Promise.all([Peer.start(t), Gate.open(t)])
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN] })])
  await there.accept({ serve: 'echo' })
  const first = await endpoint.connect(there.addr, ALPN)
  await there.nextConnection()
  t.is(Buffer.from(await first.request('one')).toString(), 'one')
  first.close()
  await there.accept()
  t.deepEqual(await visitIroh(t, endpoint, gate, there, true), { attempted: true, accepted: true })
})

test('a ticket of one ALPN is not tried for another', async (t) => {
  const [peer, gate] = await Promise.all([Peer.start(t), Gate.open(t)])
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN, 'interop/other'] })])
  await there.accept()
  await visitIroh(t, endpoint, gate, there, false)
  const other = await endpoint.connectEarly(there.addr, 'interop/other')
  t.false(other.attempted)
  t.is((await other.handshake()).alpn, 'interop/other')
})

test('gaiwan accepts early: the question of iroh is read before the handshake can be done', async (t) => {
  const [peer, gate] = await Promise.all([Peer.start(t), Gate.open(t)])
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  // Through the gate from the first dial on: iroh keeps an address that it learned and would dial that one too.
  gate.target = present(endpoint.boundAddresses[0])
  await visitGaiwan(t, there, endpoint, false, gate.addresses)
  gate.hold()
  const left = gate.earlyPacket()
  const iroh = await there.connect({ id: endpoint.id, addresses: gate.addresses }, ALPN, { early: true })
  t.true(iroh.attempted)
  const question = await askGaiwan(iroh)
  await left
  const early = await (await nextIncoming(endpoint)).acceptEarly()
  t.true(await answerIroh(early))
  gate.release()
  t.is(await question.readText(), 'TEA?')
  const connection = await early.handshake()
  t.is(connection.remoteId, there.id)
  t.is(connection.alpn, ALPN)
  t.is(connection.side, 'server')
  t.true((await iroh.handshake()).accepted)
})

test('iroh accepts early: the question of gaiwan is there before the handshake can be done', async (t) => {
  const [peer, gate] = await Promise.all([Peer.start(t), Gate.open(t)])
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN] })])
  await there.accept()
  await visitIroh(t, endpoint, gate, there, false)
  await there.accept({ early: true })
  gate.hold()
  const early = await endpoint.connectEarly({ id: there.id, addresses: gate.addresses }, ALPN)
  t.true(early.attempted)
  const question = await askIroh(early)
  const { connection, first } = await there.attempt()
  const { send, recv } = present(first)
  t.true(recv.early)
  await send.write((await recv.readText()).toUpperCase())
  await send.finish()
  gate.release()
  t.is(Buffer.from(await question.readToEnd(100)).toString(), 'TEA?')
  t.true(await early.accepted)
  t.is((await present(connection).handshake()).remoteId, endpoint.id)
})

test('early datagrams and uni streams of gaiwan arrive at iroh', async (t) => {
  const [peer, gate] = await Promise.all([Peer.start(t), Gate.open(t)])
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN] })])
  await there.accept()
  await visitIroh(t, endpoint, gate, there, false)
  gate.hold()
  const early = await endpoint.connectEarly({ id: there.id, addresses: gate.addresses }, ALPN)
  t.true(early.attempted)
  const left = gate.earlyPacket()
  early.sendDatagram('quick')
  const send = await early.openUni()
  await send.write('quick too')
  await send.finish()
  await left
  gate.release()
  const iroh = await there.nextConnection()
  t.is(Buffer.from(await iroh.readDatagram()).toString(), 'quick')
  t.is(await (await iroh.acceptUni()).readText(), 'quick too')
  t.true(await early.accepted)
})
