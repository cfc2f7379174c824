// 0-RTT: off by default, and then for idempotent methods only.
import test, { type ExecutionContext } from 'ava'
import { type EarlyConnection, Router } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'
import { bind } from '../helpers/pair.js'
import { ALPN, codeOf, hex, Journal, Tea, teaHandlers, unhex } from './tea.js'

async function ask(opener: Pick<EarlyConnection, 'openBi'>, bytes: string): Promise<string> {
  const { send, recv } = await opener.openBi()
  await send.write(unhex(bytes))
  await send.finish()
  return hex(await recv.readToEnd(100))
}

const GET = '07000568656c6c6f'
const WORLD = '070105776f726c64'
const DIV = '03060702'

/** What the handlers of one early connection saw; its handshake ends when `open` is called. */
async function scene(t: ExecutionContext<unknown>, early: boolean) {
  const journal = new Journal()
  let held: Promise<void> = Promise.resolve()
  let open = () => {}
  const server = await bind(t, {
    hooks: [
      {
        async afterHandshake() {
          await held
          return true as const
        },
      },
    ],
  })
  const dialer = await bind(t)
  const see = (context: r.CallContext) => {
    let known: unknown
    try {
      known = context.remoteId === dialer.id
    } catch (error) {
      known = codeOf(error)
    }
    journal.add(`${context.method} ${context.early} ${known}`)
  }
  const handlers: r.Handlers<typeof Tea> = {
    ...teaHandlers(),
    Get: (_, context) => {
      see(context)
      return 'world'
    },
    Div: ([a, b], context) => {
      see(context)
      return { ok: true, value: a / b }
    },
  }
  const router = Router.builder(server)
    .accept(ALPN, r.serve(Tea, handlers, { early, headOfLineMs: 60_000, requestTimeoutMs: 120_000 }))
    .spawn()
  t.teardown(() => router.shutdown())
  // A first connection, so that the dialer has a ticket.
  const first = await dialer.connect(server.addr, ALPN)
  t.is(await ask(first, GET), WORLD)
  first.close()
  journal.lines.length = 0
  held = new Promise((resolve) => {
    open = resolve
  })
  const second = await dialer.connectEarly(server.addr, ALPN)
  t.true(second.attempted)
  t.teardown(() => second.close())
  return { journal, second, open: () => open() }
}

test('with early an idempotent method starts before the handshake is done, any other after it', async (t) => {
  const { journal, second, open } = await scene(t, true)
  const div = ask(second, DIV)
  t.is(await ask(second, GET), WORLD)
  t.deepEqual(journal.lines, ['Get true PEER_UNAUTHENTICATED'])
  open()
  t.is(await div, '020003')
  t.is(await ask(second, GET), WORLD)
  t.deepEqual(journal.lines, ['Get true PEER_UNAUTHENTICATED', 'Div true true', 'Get false true'])
})

test('without early nothing starts before the handshake is done', async (t) => {
  const { journal, second, open } = await scene(t, false)
  const answers = Promise.all([ask(second, DIV), ask(second, GET)])
  t.deepEqual(journal.lines, [])
  open()
  t.deepEqual(await answers, ['020003', WORLD])
  t.deepEqual(journal.lines, ['Div false true', 'Get false true'])
})
