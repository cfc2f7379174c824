// Hard types through every pattern against irpc 0.17, in both directions.
import test, { type ExecutionContext } from 'ava'
import { Router } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'
import { Peer } from './peer.js'
import { bare, HARD_ALPN, HARDS, HardService, hardHandlers, SHAPES } from './rpc-hard.js'
import { PeerClient } from './rpc-peer.js'
import { bind, rustServes } from './rpc-tea.js'

type Test = ExecutionContext<unknown>

async function callsRust(t: Test) {
  const { server, endpoint } = await rustServes(t)
  const hard = r.client(HardService, endpoint, server.addr, HARD_ALPN)
  t.teardown(() => hard.close())
  return { server, hard }
}

async function rustCalls(t: Test) {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  const taken: { method: string; value: unknown }[] = []
  let wake = () => {}
  const handlers = hardHandlers((method, value) => {
    taken.push({ method, value: bare(value) })
    wake()
  })
  /** What handlers took, once it is so much. */
  const took = async (count: number) => {
    while (taken.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return taken.splice(0, count)
  }
  const router = Router.builder(endpoint).accept(HARD_ALPN, r.serve(HardService, handlers)).spawn()
  t.teardown(() => router.shutdown())
  return { took, rust: await PeerClient.dial(peer, there, endpoint.addr, 'hard') }
}

const ours = HARDS.map((twin) => bare(twin.ours))
const theirs = HARDS.map((twin) => twin.rust)

for (const twin of HARDS) {
  test(`${twin.name}: Rust understands what we send, and we what it sends back`, async (t) => {
    const { server, hard } = await callsRust(t)
    t.deepEqual(bare(await hard.Echo(twin.ours)), bare(twin.ours))
    t.deepEqual(await server.takes('Echo'), twin.rust)
  })

  test(`${twin.name}: we understand what Rust sends, and it what we send back`, async (t) => {
    const { rust, took } = await rustCalls(t)
    t.deepEqual(await rust.ask('Echo', twin.rust), twin.rust)
    t.deepEqual(await took(1), [{ method: 'Echo', value: bare(twin.ours) }])
  })
}

for (const shape of SHAPES) {
  test(`${shape.name} and ${shape.verdict.name} go both ways`, async (t) => {
    const { server, hard } = await callsRust(t)
    t.deepEqual(bare(await hard.Judge(shape.ours)), bare(shape.verdict.ours))
    t.deepEqual(await server.takes('Judge'), shape.rust)
    const { rust, took } = await rustCalls(t)
    t.deepEqual(await rust.ask('Judge', shape.rust), shape.verdict.rust)
    t.deepEqual(await took(1), [{ method: 'Judge', value: bare(shape.ours) }])
  })
}

test('hard values go to Rust and back through every kind of stream', async (t) => {
  const { server, hard } = await callsRust(t)
  const values = HARDS.map((twin) => twin.ours)
  const each: unknown[] = []
  for await (const value of hard.Each(values)) each.push(bare(value))
  t.deepEqual(each, ours)
  t.deepEqual((await hard.Gather(values)).map(bare), ours)
  const mirrored: unknown[] = []
  for await (const value of hard.Mirror({ tag: 'Pair', value: [1, false] }, values)) mirrored.push(bare(value))
  t.deepEqual(
    mirrored,
    ours.flatMap((value) => [value, undefined]),
  )
  t.deepEqual(await server.takes('Mirror'), { Pair: [1, false] })
  await hard.Tell(values[1]!, { delivered: true })
  t.deepEqual(await server.takes('Tell'), theirs[1])
  await hard.Pour({ tag: 'Because', value: 'it rains' }, values)
  t.deepEqual(await server.takes('Pour'), { Because: 'it rains' })
  for (const value of theirs) t.deepEqual(await server.takes('Pour'), value)
  t.deepEqual(bare(await hard.Wait(values[2]!)), ours[2])
  t.deepEqual(await server.takes('Wait'), theirs[2])
})

test('hard values come from Rust and go back through every kind of stream', async (t) => {
  const { rust, took } = await rustCalls(t)
  t.deepEqual(await rust.run('Each', theirs), theirs)
  t.deepEqual(await rust.ask('Gather', null, theirs), theirs)
  t.deepEqual(
    await rust.run('Mirror', { Pair: [1, false] }, theirs),
    theirs.flatMap((value) => [value, null]),
  )
  t.deepEqual(await took(1), [{ method: 'Mirror', value: { tag: 'Pair', value: [1, false] } }])
  await rust.run('Tell', theirs[1]!)
  t.deepEqual(await took(1), [{ method: 'Tell', value: ours[1] }])
  await rust.run('Pour', { TooMuch: { left: 7 } }, theirs)
  t.deepEqual(
    await took(1 + ours.length),
    [{ tag: 'TooMuch', value: { left: 7 } }, ...ours].map((value) => ({ method: 'Pour', value })),
  )
  t.deepEqual(await rust.ask('Wait', null, [theirs[2]!]), theirs[2])
})
