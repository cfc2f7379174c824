import test from 'ava'
import { runChild } from '../helpers/child.js'

/** Endpoints, a connection, and how to make the collector run; `gone` waits until `check` holds, collecting meanwhile. */
const PRELUDE = `
const { Endpoint, GaiwanError } = gaiwan
const bind = (options) => Endpoint.bind({ bind: '127.0.0.1:0', closeTimeoutMs: 500, ...options })
const turn = () => new Promise((resolve) => setImmediate(resolve))
async function gone(check, ms = 90_000) {
  const end = Date.now() + ms
  while (!check()) {
    if (Date.now() > end) throw new Error('still there: ' + check)
    globalThis.gc()
    await turn()
  }
}
const dialer = await bind()
const acceptor = await bind({ alpns: ['a'] })
async function connect() {
  const dial = dialer.connect(acceptor.addr, 'a')
  const server = await (await acceptor.accept()).accept()
  return { client: await dial, server }
}
/** Collects until a connection that was dropped just now is gone, so that whatever else was dropped before is gone too. */
async function collect() {
  let over = false
  await (async () => { const { server } = await connect(); server.closed.then(() => { over = true }) })()
  await gone(() => over)
  for (let n = 0; n < 20; n++) { globalThis.gc(); await turn() }
}
const done = async () => { await dialer.close(); await acceptor.close(); console.log('ok') }
`
const flags = ['--expose-gc']

/** Runs the body with the prelude and expects a clean end. */
const gcTest = (title: string, body: string) =>
  test(title, async (t) => {
    const { status, stdout, stderr } = await runChild(t, `${PRELUDE}\n${body}\nawait done()`, { flags })
    t.is(status, 0, stderr)
    t.is(stdout, 'ok\n')
    t.is(stderr, '')
  })

gcTest(
  'a read that waits holds its stream and its connection',
  `
  let server
  const read = await (async () => {
    const pair = await connect()
    server = pair.server
    const stream = await pair.client.openBi()
    await stream.send.write('?')
    return { answer: stream.recv.read(), peer: await server.acceptBi() }
  })()
  await collect()
  await read.peer.send.write('still here')
  if (new TextDecoder().decode(await read.answer) !== 'still here') throw new Error('lost')
  server.close()
  `,
)

gcTest(
  'an accept that waits holds its connection',
  `
  const { accepting, server } = await (async () => {
    const { client, server } = await connect()
    return { accepting: client.acceptUni(), server }
  })()
  await collect()
  const send = await server.openUni()
  await send.write('still here')
  const recv = await accepting
  if (new TextDecoder().decode(await recv.read()) !== 'still here') throw new Error('lost')
  server.close()
  `,
)

gcTest(
  'a running serve and a wait for the end hold their connection',
  `
  const { server, serving } = await (async () => {
    const { client, server } = await connect()
    return { server, serving: client.serve((body) => body) }
  })()
  const waiting = await (async () => {
    const { client, server } = await connect()
    return { server, end: client.closed }
  })()
  await collect()
  if (new TextDecoder().decode(await server.request('x')) !== 'x') throw new Error('lost')
  server.close()
  await serving
  if (waiting.server.closeInfo !== null) throw new Error('closed')
  waiting.server.close(7)
  if ((await waiting.end).code !== 7n) throw new Error('no code')
  `,
)

gcTest(
  'a connection with an open stream lives on when only the stream is held, and closes when that goes too',
  `
  let { client, server } = await connect()
  let send = await client.openUni()
  client = null
  await collect()
  if (server.closeInfo !== null) throw new Error('closed too early')
  await send.write('x')
  const recv = await server.acceptUni()
  await recv.readExact(1)
  send = null
  await gone(() => server.closeInfo !== null)
  const { by, code, reason } = server.closeInfo
  if (by !== 'remote' || code !== 0n || reason !== '') throw new Error(by + code + reason)
  `,
)

gcTest(
  'a dropped, half-written stream is seen as reset with 0, a finished one as whole',
  `
  const { client, server } = await connect()
  await (async () => {
    const half = await client.openUni()
    await half.write('half a mess')
    const whole = await client.openUni()
    await whole.write('a message')
    await whole.finish()
  })()
  const half = await server.acceptUni()
  const whole = await server.acceptUni()
  let code = null
  void half.resetReceived.then((value) => { code = value })
  await gone(() => code !== null)
  if (code !== 0n) throw new Error('code ' + code)
  if (new TextDecoder().decode(await whole.readToEnd(100)) !== 'a message') throw new Error('not whole')
  client.close()
  `,
)

gcTest(
  'a dropped receiving half stops the writer with 0',
  `
  const { client, server } = await connect()
  const send = await client.openUni()
  await send.write('x')
  await (async () => { await (await server.acceptUni()).readExact(1) })()
  let code = null
  void send.stopped.then((value) => { code = value })
  await gone(() => code !== null)
  if (code !== 0n) throw new Error('code ' + code)
  client.close()
  `,
)

gcTest(
  'a dropped attempt is refused',
  `
  // More time than the collector can take.
  const patient = { timeoutMs: 90_000, transport: { idleTimeoutMs: 90_000 } }
  const dial = dialer.connect(acceptor.addr, 'a', patient).then(() => 'connected', (error) => error.code)
  await (async () => { await acceptor.accept() })()
  let outcome = null
  void dial.then((value) => { outcome = value })
  await gone(() => outcome !== null)
  if (outcome !== 'CONNECTION_REFUSED') throw new Error(outcome)
  `,
)

gcTest(
  'a forgotten connection is closed although its streams and datagrams were asked for once',
  `
  const server = await (async () => {
    const { client, server } = await connect()
    const abort = new AbortController()
    const waits = [client.acceptBi({ signal: abort.signal }), client.acceptUni({ signal: abort.signal })]
    client.datagrams()[Symbol.asyncIterator]()
    abort.abort()
    await Promise.allSettled(waits)
    return server
  })()
  await gone(() => server.closeInfo !== null)
  if (server.closeInfo.by !== 'remote') throw new Error(server.closeInfo.by)
  `,
)

gcTest(
  'handles of streams, requests and connections come back',
  `
  const pair = await connect()
  void pair.server.serve((body) => body)
  const base = dialer.metrics().bridge_handles
  for (let n = 0; n < 500; n++) {
    const { send, recv } = await pair.client.openBi()
    await send.write('x')
    await send.finish()
    await recv.readToEnd(10)
    await pair.client.request('x')
  }
  await gone(() => dialer.metrics().bridge_handles <= base + 2)
  for (let n = 0; n < 150; n++) {
    const { client, server } = await connect()
    client.close()
    await server.closed
  }
  // Some ended connections are kept for their figures.
  if (dialer.metrics().bridge_handles > base + 2 * 64 + 4) throw new Error('handles ' + dialer.metrics().bridge_handles)
  pair.client.close()
  `,
)
