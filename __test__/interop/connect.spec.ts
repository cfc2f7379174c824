// Who is who after a handshake, and what a failed handshake is called at either end.
import { randomBytes } from 'node:crypto'
import test from 'ava'
import { GaiwanError, SecretKey } from '../../ts/index.js'
import { ALPN, bind, DIALERS, meet, nextIncoming, peerFails, says } from './meeting.js'
import { Peer } from './peer.js'

for (const dialer of DIALERS) {
  test(`${says(dialer)}: both know whom they speak to, over which protocol, and who dialed`, async (t) => {
    const { endpoint, there, gaiwan, iroh } = await meet(t, dialer)
    t.is(gaiwan.remoteId, there.id)
    t.is(iroh.remoteId, endpoint.id)
    t.is(gaiwan.alpn, ALPN)
    t.is(iroh.alpn, ALPN)
    t.is(gaiwan.side, dialer === 'gaiwan' ? 'client' : 'server')
    t.is(iroh.side, dialer === 'gaiwan' ? 'server' : 'client')
    t.is(gaiwan.remoteAddress, there.address)
  })

  test(`${says(dialer)}: exported keying material is equal`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    for (const [label, context, length] of [
      ['interop', 'context', 32],
      ['interop', '', 1],
      ['EXPORTER-another', 'c'.repeat(300), 8_160],
    ] as const) {
      const ours = Buffer.from(gaiwan.exportKeyingMaterial(label, context, length)).toString('hex')
      t.is(ours, await iroh.exportKeyingMaterial(label, context, length))
      t.is(ours.length, 2 * length)
    }
    const [one, other] = ['one', 'other'].map((label) => Buffer.from(gaiwan.exportKeyingMaterial(label, '', 32)).toString('hex'))
    t.not(one, other)
  })
}

test('an id is the same at both stacks for one secret key', async (t) => {
  const peer = await Peer.start(t)
  const secretKey = randomBytes(32)
  const there = await peer.bind({ secretKey: secretKey.toString('hex') })
  t.is(SecretKey.from(secretKey).id, there.id)
})

test('gaiwan dials iroh under a wrong key: PEER_KEY_MISMATCH here, alert 48 there', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN] })])
  await there.accept()
  const wrong = { id: SecretKey.generate().id, addresses: [there.address] }
  const [error, attempt] = await Promise.all([t.throwsAsync(endpoint.connect(wrong, ALPN), { instanceOf: GaiwanError }), there.attempt()])
  t.is(error?.code, 'PEER_KEY_MISMATCH')
  t.is(attempt.error?.kind, 'transport-remote')
  t.is(attempt.error?.code, 0x130n)
})

test('iroh dials gaiwan under a wrong key: HANDSHAKE_FAILED with alert 48 here', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  const wrong = { id: SecretKey.generate().id, addresses: endpoint.addr.addresses ?? [] }
  const [fault, error] = await Promise.all([
    peerFails(t, there.connect(wrong, ALPN)),
    t.throwsAsync(async () => (await nextIncoming(endpoint)).accept(), { instanceOf: GaiwanError }),
  ])
  t.deepEqual(fault, { kind: 'transport-local', code: 0x130n })
  t.is(error?.code, 'HANDSHAKE_FAILED')
  t.is(error?.alert, 48)
})

test('gaiwan dials iroh with an unknown ALPN: ALPN_MISMATCH here, 0x178 there', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [ALPN] })])
  await there.accept()
  const [error, attempt] = await Promise.all([
    t.throwsAsync(endpoint.connect(there.addr, 'interop/unknown'), { instanceOf: GaiwanError }),
    there.attempt(),
  ])
  t.is(error?.code, 'ALPN_MISMATCH')
  t.is(attempt.error?.kind, 'transport-local')
  t.is(attempt.error?.code, 0x178n)
})

test('iroh dials gaiwan with an unknown ALPN: ALPN_MISMATCH here, 0x178 there', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  const [fault, error] = await Promise.all([
    peerFails(t, there.connect(endpoint.addr, 'interop/unknown')),
    t.throwsAsync(async () => (await nextIncoming(endpoint)).accept(), { instanceOf: GaiwanError }),
  ])
  t.deepEqual(fault, { kind: 'transport-remote', code: 0x178n })
  t.is(error?.code, 'ALPN_MISMATCH')
})
