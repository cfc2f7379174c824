import { Worker } from 'node:worker_threads'
import test from 'ava'
import { runChild } from '../helpers/child.js'
import { Ear, room, rooms } from './network.js'

/** Loaders of TypeScript do not reach worker threads everywhere, so these use what `npm run build:ts` made. */
const WORKER = `
import { parentPort, workerData } from 'node:worker_threads'
const { Endpoint } = await import('${new URL('../../dist/index.js', import.meta.url).href}')
const { Gossip } = await import('${new URL('../../dist/gossip/index.js', import.meta.url).href}')
const topic = await new Gossip(await Endpoint.bind({ bind: '127.0.0.1:0' })).subscribeAndJoin(workerData.topic, [workerData.ticket])
await topic.broadcast('from a worker')
for await (const event of topic) if (event.type === 'received') parentPort.postMessage(new TextDecoder().decode(event.content))
`

const index = new URL('../../ts/gossip/index.ts', import.meta.url).href

test('1,000 times subscribe and close keep the memory flat', async (t) => {
  t.timeout(170_000)
  const program = `
    import { Gossip } from '${index}'
    const endpoint = await gaiwan.Endpoint.bind({ bind: '127.0.0.1:0' })
    const gossip = new Gossip(endpoint)
    const cycle = async (n) => {
      const topic = await gossip.subscribe('topic ' + (n % 7))
      await topic.broadcast('x' + n)
      await topic.close()
    }
    const settle = async () => { for (let n = 0; n < 4; n++) { gc(); await new Promise(setImmediate) } return process.memoryUsage().rss }
    for (let n = 0; n < 300; n++) await cycle(n)
    const before = await settle()
    for (let n = 0; n < 1_000; n++) await cycle(n)
    const after = await settle()
    console.log(JSON.stringify({ grown: after - before }))
    await endpoint.close()`
  const { status, stdout, stderr } = await runChild(t, program, { flags: ['--expose-gc'], timeoutMs: 150_000 })
  t.is(status, 0, stderr)
  const { grown } = JSON.parse(stdout) as { grown: number }
  t.true(grown < 16 * 2 ** 20, `grew by ${grown} bytes`)
})

test('500 topics of two peers go over one connection', async (t) => {
  t.timeout(170_000)
  const [a, b] = await rooms(t, 2)
  const names = Array.from({ length: 500 }, (_, n) => `${t.title} ${n}`)
  const there = await Promise.all(names.map((name) => b!.gossip.subscribe(name)))
  const here = await Promise.all(names.map((name) => a!.gossip.subscribe(name, [b!.endpoint.addr])))
  await Promise.all([...here, ...there].map((topic) => topic.joined({ timeoutMs: 120_000 })))
  t.is(a!.gossip.metrics().open_connections, 1)
  t.is(b!.gossip.metrics().open_connections, 1)
  const ears = there.map((topic) => new Ear(topic))
  const counts = await Promise.all(here.map((topic, n) => topic.broadcast(`for ${n}`)))
  t.true(counts.every((count) => count === 1))
  await Promise.all(ears.map((ear, n) => ear.message(`for ${n}`)))
  t.is(a!.gossip.metrics().open_connections, 1)
})

test('a topic that nobody holds is left', async (t) => {
  const program = `
    import { ALPN, Gossip } from '${index}'
    const room = async () => {
      const endpoint = await gaiwan.Endpoint.bind({ bind: '127.0.0.1:0' })
      const gossip = new Gossip(endpoint)
      return { endpoint, gossip, router: gaiwan.Router.builder(endpoint).accept(ALPN, gossip).spawn() }
    }
    const [a, b] = [await room(), await room()]
    const there = await b.gossip.subscribe('x')
    await (async () => { await a.gossip.subscribeAndJoin('x', [b.endpoint.addr]) })()
    const timer = setInterval(gc, 50)
    for await (const event of there) if (event.type === 'neighborDown') { console.log(event.reason); break }
    clearInterval(timer)
    await Promise.all([a.router.shutdown(), b.router.shutdown()])`
  const { status, stdout, stderr } = await runChild(t, program, { flags: ['--expose-gc'] })
  t.is(status, 0, stderr)
  t.is(stdout.trim(), 'left')
})

test('a process with a topic ends when its endpoint is closed', async (t) => {
  const program = `
    import { Gossip } from '${index}'
    const endpoint = await gaiwan.Endpoint.bind({ bind: '127.0.0.1:0' })
    const topic = await new Gossip(endpoint).subscribe('x')
    setTimeout(() => endpoint.close(), 50)
    for await (const _ of topic);
    console.log('over')`
  const { status, stdout } = await runChild(t, program)
  t.is(status, 0)
  t.is(stdout.trim(), 'over')
})

test('a worker gossips, and may end in the middle of it', async (t) => {
  const main = await room(t)
  const topic = await main.gossip.subscribe(t.title)
  const ear = new Ear(topic)
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`), {
    workerData: { topic: t.title, ticket: main.endpoint.ticket() },
  })
  const answer = new Promise<string>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await ear.message('from a worker')
  await topic.broadcast('to a worker')
  t.is(await answer, 'to a worker')
  await worker.terminate()
  t.is((await ear.event('neighborDown')).reason, 'lost')
})
