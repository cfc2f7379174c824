// Datagrams of every size, both ways, and peers that take none.
import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { DIALERS, meet, peerFails, present, says } from './meeting.js'

/** The first datagram that comes. */
async function first(datagrams: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  for await (const datagram of datagrams) return datagram
  throw new Error('the connection ended before a datagram came')
}

for (const dialer of DIALERS) {
  test(`${says(dialer)}: datagrams of 0 bytes to the largest arrive whole, both ways`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const largest = Math.min(present(gaiwan.maxDatagramBytes), present(await iroh.maxDatagramBytes()))
    t.true(largest >= 1_100, `the largest is ${largest}`)
    for (const length of [0, 1, 1_000, largest]) {
      const bytes = Uint8Array.from({ length }, (_, i) => i * 7 + length)
      gaiwan.sendDatagram(bytes)
      t.deepEqual(Buffer.from(await iroh.readDatagram()), Buffer.from(bytes))
      await iroh.sendDatagram(bytes)
      t.deepEqual(Buffer.from(await first(gaiwan.datagrams())), Buffer.from(bytes))
    }
  })

  test(`${says(dialer)}: a datagram over the largest is DATAGRAM_TOO_LARGE at once`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const error = t.throws(() => gaiwan.sendDatagram(new Uint8Array(65_000)), { instanceOf: GaiwanError })
    t.is(error?.code, 'DATAGRAM_TOO_LARGE')
    t.is((await peerFails(t, iroh.sendDatagram(new Uint8Array(65_000)))).kind, 'datagram-too-large')
  })

  test(`${says(dialer)}: to an iroh that takes none it is DATAGRAM_UNSUPPORTED`, async (t) => {
    const { gaiwan } = await meet(t, dialer, { iroh: { datagrams: false } })
    t.is(gaiwan.maxDatagramBytes, null)
    const error = t.throws(() => gaiwan.sendDatagram('x'), { instanceOf: GaiwanError })
    t.is(error?.code, 'DATAGRAM_UNSUPPORTED')
  })

  test(`${says(dialer)}: a gaiwan with datagrams switched off tells iroh so`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer, { gaiwan: { transport: { datagramReceiveBuffer: null } } })
    t.is(await iroh.maxDatagramBytes(), null)
    t.is((await peerFails(t, iroh.sendDatagram(new Uint8Array(1)))).kind, 'datagram-unsupported')
    const error = t.throws(() => gaiwan.sendDatagram('x'), { instanceOf: GaiwanError })
    t.is(error?.code, 'DATAGRAM_DISABLED')
  })
}

test('iroh echoes a run of datagrams; gaiwan waits for room', async (t) => {
  const { gaiwan } = await meet(t, 'gaiwan', { serve: 'echo' })
  const wanted = 64
  const seen = new Set<number>()
  const reading = (async () => {
    for await (const datagram of gaiwan.datagrams()) {
      seen.add(present(datagram[0]))
      if (seen.size === wanted) return
    }
  })()
  for (let i = 0; i < wanted; i++) await gaiwan.sendDatagramWait(new Uint8Array(500).fill(i))
  await reading
  t.is(seen.size, wanted)
})
