// What must compile and what must not: the compiler checks this file with the others, `npm run typecheck`.
import test from 'ava'
import type { Connection, Endpoint } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <T extends true>(value: T): T => value

const Point = r.struct({ x: r.i32, label: r.option(r.str) })
const Shop = r.service({
  Buy: r.unary(Point, r.result(r.u64, r.str)),
  All: r.serverStream(r.unit, Point),
  Fill: r.clientStream(r.unit, Point, r.u64),
  Weigh: r.bidiStream(r.struct({ tare: r.f64 }), r.f64, r.f64),
  Ring: r.notify(r.str),
  Rings: r.notifyStream(r.unit, r.str),
  Late: r.method(r.unit, { updates: r.one(r.str), answers: r.many(r.u64) }),
  Old: r.reserved(),
})
type Shop = typeof Shop

/** Never called: only its types matter. */
async function clients(shop: r.Client<Shop>, endpoint: Endpoint, connection: Connection): Promise<void> {
  const bought = await shop.Buy({ x: 1 }, { timeoutMs: 5 })
  if (bought.ok) same<Equal<typeof bought.value, bigint>>(true)
  else same<Equal<typeof bought.error, string>>(true)
  for await (const point of shop.All()) same<Equal<typeof point, { x: number; label?: string | undefined }>>(true)
  same<Equal<Awaited<ReturnType<typeof shop.Fill>>, bigint>>(true)
  await shop.Fill([{ x: 1, label: null }])
  const weigh = await shop.Weigh.open({ tare: 1 })
  await weigh.send(2)
  for await (const net of weigh.answer) same<Equal<typeof net, number>>(true)
  await shop.Ring('x', { delivered: true })
  await shop.Rings(['x'])
  for await (const n of shop.Late(Promise.resolve('x'))) same<Equal<typeof n, bigint>>(true)
  r.client(Shop, endpoint, 'id', 'alpn') satisfies r.Client<Shop>
  r.client(Shop, connection) satisfies r.Client<Shop>

  // @ts-expect-error a key that the struct has not
  await shop.Buy({ x: 1, y: 2 })
  // @ts-expect-error a key that is missing
  await shop.Buy({})
  // @ts-expect-error a number where the wire has a bigint
  await shop.Weigh.open({ tare: 1n })
  // @ts-expect-error a unit request is left out
  shop.All(undefined, {})
  // @ts-expect-error updates of another type
  await shop.Fill(['x'])
  // @ts-expect-error no such method
  await shop.Sell()
  // @ts-expect-error a reserved variant has no method
  await shop.Old()
  // @ts-expect-error only a notify can be waited for until it is delivered
  await shop.Buy({ x: 1 }, { delivered: true })
  // @ts-expect-error a method without updates cannot be opened
  await shop.Buy.open({ x: 1 })
  // @ts-expect-error the address is missing
  r.client(Shop, endpoint)
}

const handlers: r.Handlers<Shop> = {
  Buy: ({ x, label }, { remoteId }) => (label === remoteId ? { ok: true, value: BigInt(x) } : { ok: false, error: 'no' }),
  All: () => [{ x: 1 }],
  async Fill(_, points) {
    let count = 0n
    for await (const { x } of points) count += BigInt(x)
    return count
  },
  async *Weigh({ tare }, loads) {
    for await (const load of loads) yield load - tare
  },
  Ring: () => {},
  Rings: async (_, rings) => {
    for await (const ring of rings) same<Equal<typeof ring, string>>(true)
  },
  async *Late(_, update) {
    yield BigInt((await update).length)
  },
}

const { Ring: _ring, ...missing } = handlers
// @ts-expect-error a handler is missing
const incomplete: r.Handlers<Shop> = missing
// @ts-expect-error a number where the wire has a bigint
const wrongAnswer: r.Handlers<Shop> = { ...handlers, Fill: async () => 1 }
// @ts-expect-error a reserved variant has no handler
const reservedHandler: r.Handlers<Shop> = { ...handlers, Old: () => {} }
// @ts-expect-error an item where there are many
const oneForMany: r.Handlers<Shop> = { ...handlers, All: () => ({ x: 1 }) }
// @ts-expect-error the client object needs this name
const taken = () => r.service({ close: r.notify(r.unit) })
// @ts-expect-error an option of what may be undefined itself
const nested = () => r.option(r.option(r.u8))

test('what must not compile is marked, and the marks are all needed', (t) => {
  t.is(typeof clients, 'function')
  t.deepEqual(
    [incomplete, wrongAnswer, reservedHandler, oneForMany].map((one) => typeof one.All),
    Array(4).fill('function'),
  )
  t.throws(taken, { instanceOf: TypeError })
  t.throws(nested, { instanceOf: TypeError })
})
