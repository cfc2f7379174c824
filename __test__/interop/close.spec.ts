// How connections end: codes and reasons both ways, silence, a dead peer, a closed endpoint.
import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { DIALERS, essence, meet, present, says } from './meeting.js'

const ENDINGS = [
  { code: 0n, reason: '' },
  { code: 42n, reason: 'the kettle is empty' },
  { code: 2n ** 62n - 1n, reason: 'grüße, 茶' },
]

/** Longer than a handshake may falter, and less than the five seconds after which iroh pings each path. */
const SILENCE_MS = 4_000

for (const dialer of DIALERS) {
  test(`${says(dialer)}: gaiwan's close reaches iroh with code and reason`, async (t) => {
    for (const { code, reason } of ENDINGS) {
      const { gaiwan, iroh } = await meet(t, dialer)
      t.is(gaiwan.closeInfo, null)
      gaiwan.close(code, reason)
      t.deepEqual(await iroh.closed(), { kind: 'remote', code, reason })
      const info = await gaiwan.closed
      t.deepEqual([info.by, info.code, info.reason], ['local', code, reason])
      t.deepEqual(gaiwan.closeInfo, info)
      t.is((await t.throwsAsync(gaiwan.openBi(), { instanceOf: GaiwanError }))?.code, 'LOCALLY_CLOSED')
    }
  })

  test(`${says(dialer)}: iroh's close reaches gaiwan with code and reason, and all that waits`, async (t) => {
    for (const { code, reason } of ENDINGS) {
      const { gaiwan, iroh } = await meet(t, dialer)
      const stream = await iroh.openBi()
      await stream.send.write('x')
      const { send, recv } = present(await gaiwan.acceptBi())
      await recv.readExact(1)
      const reading = t.throwsAsync(recv.read(), { instanceOf: GaiwanError })
      const [nextBi, nextUni] = [gaiwan.acceptBi(), gaiwan.acceptUni()]
      await iroh.close(code, reason)

      const info = await gaiwan.closed
      t.deepEqual([info.by, info.code, info.reason], ['remote', code, reason])
      t.deepEqual(Buffer.from(info.reasonBytes), Buffer.from(reason))
      t.is(await nextBi, null)
      t.is(await nextUni, null)
      const error = await reading
      t.deepEqual(essence(error), { code: 'CONNECTION_CLOSED', applicationCode: code })
      t.is(error?.reason ?? '', reason)
      const writing = await t.throwsAsync(send.write('late'), { instanceOf: GaiwanError })
      t.deepEqual(essence(writing), { code: 'CONNECTION_CLOSED', applicationCode: code })
      t.is((await iroh.closed()).kind, 'local')
    }
  })

  test(`${says(dialer)}: incomingBi, incomingUni and datagrams end when iroh closes`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const count = async (source: AsyncIterable<unknown>): Promise<number> => {
      let items = 0
      for await (const _ of source) items++
      return items
    }
    const counting = Promise.all([count(gaiwan.incomingBi()), count(gaiwan.incomingUni()), count(gaiwan.datagrams())])
    await iroh.close(3, 'over')
    t.deepEqual(await counting, [0, 0, 0])
  })

  test(`${says(dialer)}: a closed gaiwan endpoint tells iroh code 0`, async (t) => {
    const { endpoint, gaiwan, iroh } = await meet(t, dialer)
    await endpoint.close()
    t.deepEqual(await iroh.closed(), { kind: 'remote', code: 0n, reason: '' })
    t.is((await gaiwan.closed).by, 'local')
  })

  test(`${says(dialer)}: a closed iroh endpoint tells gaiwan code 0`, async (t) => {
    const { there, gaiwan } = await meet(t, dialer)
    await there.close()
    const info = await gaiwan.closed
    t.deepEqual([info.by, info.code], ['remote', 0n])
  })

  test(`${says(dialer)}: a disposed gaiwan connection tells iroh code 0`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    await gaiwan[Symbol.asyncDispose]()
    t.deepEqual(await iroh.closed(), { kind: 'remote', code: 0n, reason: '' })
  })

  test(`${says(dialer)}: silence ends it after iroh's idle timeout, at both ends`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer, {
      gaiwan: { transport: { keepAliveMs: null } },
      iroh: { idleTimeoutMs: SILENCE_MS, keepAliveMs: 60_000 },
    })
    const [ours, theirs] = await Promise.all([gaiwan.closed, iroh.closed()])
    t.deepEqual([ours.by, ours.code], ['timeout', null])
    t.is(theirs.kind, 'timeout')
  })

  test(`${says(dialer)}: silence ends it after gaiwan's idle timeout, at both ends`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer, {
      gaiwan: { transport: { idleTimeoutMs: SILENCE_MS, keepAliveMs: null } },
      iroh: { keepAliveMs: 60_000 },
    })
    const [ours, theirs] = await Promise.all([gaiwan.closed, iroh.closed()])
    t.is(ours.by, 'timeout')
    t.is(theirs.kind, 'timeout')
  })

  test(`${says(dialer)}: a killed iroh is a timeout, and what waits rejects with CONNECTION_LOST`, async (t) => {
    const { peer, gaiwan } = await meet(t, dialer, { gaiwan: { transport: { idleTimeoutMs: 10_000 } } })
    const { send, recv } = await gaiwan.openBi()
    await send.write('anyone there?')
    const failures = Promise.all([
      t.throwsAsync(recv.read(), { instanceOf: GaiwanError }),
      t.throwsAsync(gaiwan.acceptBi(), { instanceOf: GaiwanError }),
      t.throwsAsync(gaiwan.request('hello?'), { instanceOf: GaiwanError }),
    ])
    await peer.kill()
    for (const error of await failures) t.deepEqual([error?.code, error?.by], ['CONNECTION_LOST', 'timeout'])
    t.is((await gaiwan.closed).by, 'timeout')
  })
}
