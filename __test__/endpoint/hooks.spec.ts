import test from 'ava'
import { type EndpointHook, GaiwanError, type HandshakeInfo } from '../../ts/index.js'
import { ALPN, acceptOne, endpointPair, join } from '../helpers/pair.js'

const code = (code: string) => ({ instanceOf: GaiwanError, code }) as const

test('beforeConnect sees address and ALPN, in order, and the first no wins', async (t) => {
  const asked: string[] = []
  let answer: boolean | 'throw' = true
  const hooks: EndpointHook[] = [
    {
      beforeConnect: (to, alpn) => {
        asked.push(`first ${to.id.slice(0, 4)} ${new TextDecoder().decode(alpn)}`)
        if (answer === 'throw') throw new Error('broken')
        return answer
      },
    },
    {},
    {
      beforeConnect: async () => {
        asked.push('second')
        return true
      },
    },
  ]
  const { dialer, acceptor } = await endpointPair(t, { hooks })
  const id = acceptor.id.slice(0, 4)
  await join({ dialer, acceptor })
  t.deepEqual(asked.splice(0), [`first ${id} ${ALPN}`, 'second'])
  answer = false
  await t.throwsAsync(dialer.connect(acceptor.addr, ALPN), code('DIAL_REJECTED'))
  t.deepEqual(asked.splice(0), [`first ${id} ${ALPN}`])
  answer = 'throw'
  const error = await t.throwsAsync(dialer.connect(acceptor.addr, ALPN), code('DIAL_REJECTED'))
  t.is((error!.cause as Error).message, 'broken')
  t.is(dialer.metrics()['quic_outgoing_handshakes'], 1)
})

test('a dial that waits for a hook ends by its signal', async (t) => {
  const abort = new AbortController()
  const reason = new Error('enough')
  // Aborted by the hook itself: it has 5 s, and then its silence is a no.
  const hook: EndpointHook = {
    beforeConnect: () => {
      queueMicrotask(() => abort.abort(reason))
      return new Promise(() => {})
    },
  }
  const { dialer, acceptor } = await endpointPair(t, { hooks: [hook] })
  const dial = dialer.connect(acceptor.addr, ALPN, { signal: abort.signal })
  t.is(await t.throwsAsync(dial), reason)
  const pending = t.throwsAsync(dialer.connect(acceptor.addr, ALPN), code('ENDPOINT_CLOSED'))
  await dialer.close()
  await pending
})

test('afterHandshake sees both directions before anyone has the connection', async (t) => {
  const seen: HandshakeInfo[] = []
  const hook: EndpointHook = {
    afterHandshake: (info) => {
      seen.push(info)
      return Promise.resolve<true>(true)
    },
  }
  const { dialer, acceptor } = await endpointPair(t, { hooks: [hook] }, { hooks: [hook] })
  await join({ dialer, acceptor })
  seen.sort((a, b) => a.side.localeCompare(b.side))
  t.deepEqual(seen, [
    { remoteId: acceptor.id, alpn: ALPN, side: 'client', remoteAddress: acceptor.boundAddresses[0]! },
    { remoteId: dialer.id, alpn: ALPN, side: 'server', remoteAddress: dialer.boundAddresses[0]! },
  ])
})

test('afterHandshake can close with code and reason, and one that throws says no', async (t) => {
  let verdict: () => true | { code: number; reason?: string } = () => ({ code: 77, reason: 'not you' })
  const { dialer, acceptor } = await endpointPair(t, {}, { hooks: [{ afterHandshake: () => verdict() }] })
  const failed = async () => t.throwsAsync(acceptOne(acceptor), { instanceOf: GaiwanError })
  for (const [expected, reason] of [
    [77n, 'not you'],
    [0n, ''],
  ] as const) {
    const [client] = await Promise.all([dialer.connect(acceptor.addr, ALPN), failed()])
    const end = await client.closed
    t.is(end.by, 'remote')
    t.is(end.code, expected)
    t.is(end.reason, reason)
    verdict = () => {
      throw new Error('broken')
    }
  }
})
