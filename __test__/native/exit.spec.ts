import test from 'ava'
import { runChild } from '../helpers/child.js'

const BIND = `
const { Endpoint, Router, GaiwanError } = gaiwan
const bind = (options) => Endpoint.bind({ bind: '127.0.0.1:0', closeTimeoutMs: 500, ...options })
`

test('the process ends by itself after close', async (t) => {
  const { status, stdout, stderr } = await runChild(
    t,
    `${BIND}
    const server = Router.builder(await bind()).accept('a', (c) => c.serve((b) => b)).spawn()
    const client = await bind()
    const connection = await client.connect(server.endpoint.addr, 'a')
    console.log(new TextDecoder().decode(await connection.request('tea')))
    await client.close()
    await server.shutdown()
    console.log('closed')`,
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'tea\nclosed\n')
  t.is(stderr, '')
})

test('an open endpoint keeps the process alive, even one that nobody holds', async (t) => {
  const { status, signal, stdout } = await runChild(
    t,
    `${BIND}
    await bind()
    console.log('open')
    process.on('SIGTERM', () => { console.log('alive'); process.exit(0) })
    setTimeout(() => process.kill(process.pid, 'SIGTERM'), 1_500).unref()
    setTimeout(() => {}, 100)`,
  )
  t.is(signal, null)
  t.is(status, 0)
  t.is(stdout, 'open\nalive\n')
})

test('unref lets the process exit although the endpoint is open', async (t) => {
  const { status, stdout, stderr } = await runChild(
    t,
    `${BIND}
    const endpoint = await bind()
    if (endpoint.unref() !== endpoint) throw new Error('no chain')
    console.log('open')`,
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'open\n')
})

test('process.exit in the middle of everything is no crash', async (t) => {
  const { status, signal, stderr } = await runChild(
    t,
    `${BIND}
    const server = Router.builder(await bind()).accept('a', (c) => c.serve((b) => b)).spawn()
    const client = await bind()
    const connection = await client.connect(server.endpoint.addr, 'a')
    const { send, recv } = await connection.openBi()
    void send.write(new Uint8Array(50_000_000))
    void recv.read()
    for (let n = 0; n < 50; n++) void connection.request('x')
    setImmediate(() => process.exit(3))`,
  )
  t.is(signal, null, stderr)
  t.is(status, 3, stderr)
})

test('a wrong bind leaves nothing that keeps the process alive', async (t) => {
  const { status, stdout, stderr } = await runChild(
    t,
    `${BIND}
    const first = await bind()
    await Endpoint.bind({ bind: first.boundAddresses[0] }).catch((error) => console.log(error.code))
    await first.close()`,
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'BIND_FAILED\n')
})

test('configureRuntime sets the threads before the first endpoint and is a TypeError after it', async (t) => {
  const { status, stdout, stderr } = await runChild(
    t,
    `${BIND}
    const { configureRuntime, setLogger } = gaiwan
    for (const wrong of [0, 0.5, 5_000]) try { configureRuntime({ workers: wrong }) } catch (error) { console.log(error.name) }
    setLogger({ level: 'warn', fn: () => {} })
    configureRuntime({ workers: 2 })
    const endpoint = await bind()
    try { configureRuntime({ workers: 1 }) } catch (error) { console.log(error.name, error.message) }
    await endpoint.close()`,
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'RangeError\nRangeError\nRangeError\nTypeError configureRuntime: expected to be called before the first endpoint\n')
})
