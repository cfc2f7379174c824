// 0-RTT: off by default, and then for idempotent methods only.
import test from 'ava'
import type { EarlyConnection } from '../../ts/index.js'
import { ALPN, codeOf, hex, serveTea, unhex } from './tea.js'

async function ask(opener: Pick<EarlyConnection, 'openBi'>, bytes: string): Promise<string> {
  const { send, recv } = await opener.openBi()
  await send.write(unhex(bytes))
  await send.finish()
  return hex(await recv.readToEnd(100))
}

const GET = '07000568656c6c6f'
const DIV = '03060702'

for (const early of [false, true]) {
  test(`early: ${early}`, async (t) => {
    const seen: Array<[method: string, early: boolean, known: unknown]> = []
    const served = await serveTea(
      t,
      (handlers) => ({
        ...handlers,
        Get: (_, context) => {
          let known: unknown = true
          try {
            known = context.remoteId === served.dialer.id
          } catch (error) {
            known = codeOf(error)
          }
          seen.push(['Get', context.early, known])
          return 'world'
        },
        Div: ([a, b], context) => {
          seen.push(['Div', context.early, context.remoteId === served.dialer.id])
          return { ok: true, value: a / b }
        },
      }),
      { early },
    )
    // A first connection, so that the dialer has a ticket.
    const first = await served.dialer.connect(served.server.addr, ALPN)
    t.is(await ask(first, GET), '070105776f726c64')
    first.close()
    seen.length = 0
    const second = await served.dialer.connectEarly(served.server.addr, ALPN)
    t.true(second.attempted)
    const answers = Promise.all([ask(second, DIV), ask(second, GET)])
    t.deepEqual(await answers, ['020003', '070105776f726c64'])
    t.is(await second.accepted, true)
    const [get, div] = [seen.find(([method]) => method === 'Get'), seen.find(([method]) => method === 'Div')]
    // Not idempotent: it waited for the handshake, which tells who calls.
    t.deepEqual(div, ['Div', early, true])
    if (early) t.deepEqual(get?.slice(0, 2), ['Get', true])
    else t.deepEqual(get, ['Get', false, true])
    if (early) t.true(get?.[2] === true || get?.[2] === 'PEER_UNAUTHENTICATED')
    second.close()
  })
}
