import test from 'ava'
import { Link, type LinkHost } from '../../ts/automerge/link.js'
import { GaiwanError } from '../../ts/index.js'

const addr = { id: 'ab'.repeat(32) }
const retry = { initialMs: 20, maxMs: 80 }

/** Fails each dial at once, and stops the link after so many. */
function failing(count: number, error: Error): { host: LinkHost; at: number[]; link: () => Link } {
  const at: number[] = []
  let link: Link
  const host: LinkHost = {
    retry,
    session: async () => {
      at.push(performance.now())
      if (at.length === count) link.stop()
      throw error
    },
    idle: async (_, signal) => signal.throwIfAborted(),
  }
  link = new Link(host, addr)
  return { host, at, link: () => link }
}

test('a peer that cannot be reached is dialed again, each time later, within a fifth, up to the longest wait', async (t) => {
  const { at, link } = failing(6, new GaiwanError('HANDSHAKE_TIMEOUT', 'nobody there'))
  // Waiting to dial keeps no process alive: an endpoint does that.
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  await link().run()
  t.is(at.length, 6)
  const waits = at.slice(1).map((time, n) => time - at[n]!)
  for (const [n, least] of [20, 40, 80, 80, 80].entries()) t.true(waits[n]! >= 0.8 * least - 2, `${waits[n]} ms before dial ${n + 2}`)
})

test('our own id, and a closed endpoint, are not dialed again', async (t) => {
  for (const code of ['SELF_DIAL', 'ENDPOINT_CLOSED'] as const) {
    const { at, link } = failing(9, new GaiwanError(code, 'no'))
    await link().run()
    t.is(at.length, 1, code)
  }
})

test('a peer that came by itself is not dialed while it is here', async (t) => {
  let leave = () => {}
  const here = new Promise<void>((resolve) => {
    leave = resolve
  })
  const dials: string[] = []
  const host: LinkHost = {
    retry: null,
    session: async ({ id }) => void dials.push(id),
    idle: () => here,
  }
  const link = new Link(host, addr)
  const run = link.run()
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(dials, [])
  t.false(link.isDialing)
  leave()
  await run
  t.deepEqual(dials, [addr.id])
})

test('stop ends a wait at once', async (t) => {
  let link: Link
  const host: LinkHost = {
    retry: { initialMs: 60_000, maxMs: 60_000 },
    session: async () => void setImmediate(() => link.stop()),
    idle: async (_, signal) => signal.throwIfAborted(),
  }
  link = new Link(host, addr)
  const begun = performance.now()
  await link.run()
  t.true(performance.now() - begun < 40_000)
})
