// Which ALPN is chosen when the dialer offers several: the acceptor's order decides.
import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { bind, DIALERS, nextConnection, nextIncoming, peerFails, says } from './meeting.js'
import { Peer } from './peer.js'

const LONGEST = 'x'.repeat(255)

const CHOICES = [
  { offered: ['v1', 'v2'], accepted: ['v2', 'v1'], chosen: 'v2' },
  { offered: ['v2', 'v1'], accepted: ['v2', 'v1'], chosen: 'v2' },
  { offered: ['v3', 'v1'], accepted: ['v2', 'v1'], chosen: 'v1' },
  { offered: ['v1'], accepted: ['v2', 'v1'], chosen: 'v1' },
  { offered: ['v1', 'v2', 'v3'], accepted: ['v3'], chosen: 'v3' },
  { offered: ['v1', LONGEST], accepted: [LONGEST, 'v1'], chosen: LONGEST },
]

for (const dialer of DIALERS) {
  test(`${says(dialer)}: the first of the acceptor's ALPNs that was offered is chosen`, async (t) => {
    const peer = await Peer.start(t)
    for (const { offered, accepted, chosen } of CHOICES) {
      const [endpoint, there] = await Promise.all([bind(t, { alpns: accepted }), peer.bind({ alpns: accepted })])
      await there.accept()
      const [gaiwan, iroh] =
        dialer === 'gaiwan'
          ? await Promise.all([endpoint.connect(there.addr, offered), there.nextConnection()])
          : await Promise.all([nextConnection(endpoint), there.connect(endpoint.addr, offered)])
      t.is(gaiwan.alpn, chosen)
      t.deepEqual(Buffer.from(gaiwan.alpnBytes), Buffer.from(chosen))
      t.is(iroh.alpn, chosen)
    }
  })
}

test('several offers without a common one fail with ALPN_MISMATCH in either direction', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t, { alpns: ['v1', 'v2'] }), peer.bind({ alpns: ['v1', 'v2'] })])
  await there.accept()
  const dialed = await t.throwsAsync(endpoint.connect(there.addr, ['v3', 'v4']), { instanceOf: GaiwanError })
  t.is(dialed?.code, 'ALPN_MISMATCH')
  const [fault, accepted] = await Promise.all([
    peerFails(t, there.connect(endpoint.addr, ['v3', 'v4'])),
    t.throwsAsync(async () => (await nextIncoming(endpoint)).accept(), { instanceOf: GaiwanError }),
  ])
  t.deepEqual(fault, { kind: 'transport-remote', code: 0x178n })
  t.is(accepted?.code, 'ALPN_MISMATCH')
})

test('setAlpns counts for later attempts, a running connection keeps its own', async (t) => {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t, { alpns: ['v1'] }), peer.bind()])
  const [gaiwan, iroh] = await Promise.all([nextConnection(endpoint), there.connect(endpoint.addr, ['v2', 'v1'])])
  t.is(iroh.alpn, 'v1')
  endpoint.setAlpns(['v2', 'v1'])
  const [, later] = await Promise.all([nextConnection(endpoint), there.connect(endpoint.addr, ['v1', 'v2'])])
  t.is(later.alpn, 'v2')
  t.is(gaiwan.alpn, 'v1')
  const { send } = await iroh.openBi()
  await send.write('still here')
  await send.finish()
  const stream = await gaiwan.acceptBi()
  t.is(Buffer.from((await stream?.recv.readToEnd(100)) ?? []).toString(), 'still here')
})
