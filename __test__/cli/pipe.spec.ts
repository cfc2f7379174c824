import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { Endpoint, EndpointTicket, type GaiwanError, SecretKey } from '../../ts/index.js'
import { Command, gaiwan, jsonLines, LOOPBACK } from './command.js'

const ALPN = 'DUMBPIPEV0'

function listen(t: ExecutionContext, ...args: string[]): Command {
  return Command.start(t, ['listen', ...LOOPBACK, '--json', ...args])
}
async function endpoint(t: ExecutionContext, ...alpns: string[]): Promise<Endpoint> {
  const bound = await Endpoint.bind({ bind: '127.0.0.1:0', alpns, closeTimeoutMs: 200 })
  t.teardown(() => bound.close())
  return bound
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('listen and connect carry stdin to stdout both ways', async (t) => {
  const there = listen(t)
  there.stdin.end('from listen')
  const here = await gaiwan(t, ['connect', ...LOOPBACK, await there.ticket()], 'from connect')
  const { status, stdout } = await there.ended
  t.deepEqual([here.status, status], [0, 0])
  t.is(here.stdout.toString(), 'from listen')
  t.is(stdout.toString(), 'from connect')
  t.is(here.stderr, '')
})

test('people get the ticket as the last word on stderr', async (t) => {
  const there = Command.start(t, ['listen', ...LOOPBACK])
  const ticket = await there.until(({ stderr }) => /^gaiwan connect (\S+)\n/m.exec(stderr)?.[1])
  t.regex(ticket, /^endpoint[a-z2-7]+$/)
  there.stdin.end('x')
  const here = await gaiwan(t, ['connect', ...LOOPBACK, ticket], 'y')
  const { stdout, stderr, status } = await there.ended
  t.deepEqual([here.stdout.toString(), stdout.toString(), status], ['x', 'y', 0])
  t.is(stderr.trim().split(/\s/).at(-1), ticket)
})

test('--json tells who came and how much went through', async (t) => {
  const there = listen(t)
  there.stdin.end('12345')
  const here = await gaiwan(t, ['connect', ...LOOPBACK, '--json', await there.ticket()], '123')
  const ended = await there.ended
  const [listening, connected, closed] = jsonLines(ended.stderr)
  t.deepEqual(Object.keys(listening!), ['event', 'id', 'ticket', 'addresses'])
  t.like(connected, { event: 'connected' })
  t.deepEqual(closed, { event: 'closed', sent: 5, received: 3, confirmed: true })
  t.deepEqual(jsonLines(here.stderr), [
    { event: 'connected', remoteId: listening!.id },
    { event: 'closed', sent: 3, received: 5, confirmed: true },
  ])
})

test('16 MiB of bytes of every kind arrive as they were, both ways at once', async (t) => {
  const [up, down] = [randomBytes(16 << 20), randomBytes(16 << 20)]
  const there = listen(t)
  there.stdin.end(down)
  const here = await gaiwan(t, ['connect', ...LOOPBACK, await there.ticket()], up)
  const { stdout, status } = await there.ended
  t.deepEqual([here.status, status], [0, 0])
  t.is(sha256(here.stdout), sha256(down))
  t.is(sha256(stdout), sha256(up))
})

test('the end of one stdin leaves the other direction open', async (t) => {
  const there = listen(t)
  const here = Command.start(t, ['connect', ...LOOPBACK, await there.ticket()])
  here.stdin.end('question')
  await there.until(({ stdout }) => (stdout === 'question' ? true : undefined))
  there.stdin.end('answer')
  const [asked, answered] = await Promise.all([here.ended, there.ended])
  t.is(asked.stdout.toString(), 'answer')
  t.deepEqual([asked.status, answered.status], [0, 0])
})

test('a slow reader at the far end loses nothing when the dialer is done first', async (t) => {
  const bytes = randomBytes(1 << 20)
  const there = Command.start(t, ['listen', ...LOOPBACK, '--json', '--recv-only'], { reads: false })
  const here = Command.start(t, ['connect', ...LOOPBACK, await there.ticket()])
  here.stdin.end(bytes)
  // Nobody reads at the far end. The dialer is told that everything has arrived, closes and is gone.
  t.is((await here.ended).status, 0)
  const got: Buffer[] = []
  for await (const chunk of there.stdout) got.push(chunk as Buffer)
  t.is(sha256(Buffer.concat(got)), sha256(bytes))
  t.is((await there.ended).status, 0)
})

test('--recv-only sends nothing and does not wait for stdin', async (t) => {
  const there = listen(t)
  there.stdin.end('news')
  const here = Command.start(t, ['connect', ...LOOPBACK, '--recv-only', await there.ticket()])
  const { status, stdout } = await here.ended
  t.is(status, 0)
  t.is(stdout.toString(), 'news')
  t.is((await there.ended).stdout.length, 0)
})

test('connect sends the five handshake bytes before anything else', async (t) => {
  const me = await endpoint(t, ALPN)
  const here = Command.start(t, ['connect', ...LOOPBACK, me.ticket()])
  const connection = await (await me.accept())!.accept()
  const { send, recv } = (await connection.acceptBi())!
  // They come although stdin is still silent: without them the stream would be invisible.
  t.is(Buffer.from(await recv.readExact(5)).toString(), 'hello')
  here.stdin.end('tea')
  t.is(Buffer.from(await recv.readToEnd(100)).toString(), 'tea')
  await send.write('cup')
  await send.finish()
  t.is(await send.stopped, null)
  const { status, stdout } = await here.ended
  t.is(status, 0)
  t.is(stdout.toString(), 'cup')
  t.deepEqual(await connection.closed.then(({ by, code }) => ({ by, code })), { by: 'remote', code: 0n })
})

test('listen takes the handshake bytes off, also when they come in pieces', async (t) => {
  const there = listen(t)
  const me = await endpoint(t)
  const connection = await me.connect(await there.ticket(), ALPN)
  const { send, recv } = await connection.openBi()
  await send.write('he')
  await there.event('listening')
  await send.write('llo, wor')
  await send.write('ld')
  await send.finish()
  there.stdin.end('seen')
  t.is(Buffer.from(await recv.readToEnd(100)).toString(), 'seen')
  t.is(await send.stopped, null)
  connection.close()
  const { status, stdout } = await there.ended
  t.is(status, 0)
  t.is(stdout.toString(), ', world')
})

test('a peer with other handshake bytes is turned away, and the next one is served', async (t) => {
  const there = listen(t)
  const ticket = await there.ticket()
  const me = await endpoint(t)
  const connection = await me.connect(ticket, ALPN)
  const { send } = await connection.openBi()
  await send.write('HELLO')
  t.like(await connection.closed, { by: 'remote', code: 0n })
  t.regex(String((await there.event('error')).message), /does not speak the pipe protocol/)
  there.stdin.end('for you')
  t.is((await gaiwan(t, ['connect', ...LOOPBACK, ticket])).stdout.toString(), 'for you')
  t.is((await there.ended).status, 0)
})

test('only the first peer is served', async (t) => {
  const there = listen(t)
  const ticket = await there.ticket()
  const first = Command.start(t, ['connect', ...LOOPBACK, ticket])
  await there.event('connected')
  const second = await gaiwan(t, ['connect', ...LOOPBACK, '--json', ticket])
  t.is(second.status, 1)
  t.like(jsonLines(second.stderr).at(-1), { event: 'error', code: 'CONNECTION_REFUSED' })
  first.stdin.end('served')
  there.stdin.end()
  t.is((await first.ended).status, 0)
  t.is((await there.ended).stdout.toString(), 'served')
})

test('a custom ALPN goes without handshake bytes', async (t) => {
  const there = listen(t, '--custom-alpn', 'utf8:tea/1')
  const me = await endpoint(t)
  const connection = await me.connect(await there.ticket(), 'tea/1')
  const { send, recv } = await connection.openBi()
  await send.write('as it is')
  await send.finish()
  there.stdin.end('so it is')
  t.is(Buffer.from(await recv.readToEnd(100)).toString(), 'so it is')
  t.is(await send.stopped, null)
  connection.close()
  t.is((await there.ended).stdout.toString(), 'as it is')

  const again = listen(t, '--custom-alpn', Buffer.from('tea/1').toString('hex'))
  again.stdin.end('hex')
  t.is((await gaiwan(t, ['connect', ...LOOPBACK, '--custom-alpn', 'utf8:tea/1', await again.ticket()])).stdout.toString(), 'hex')
})

test('a peer that does not speak the protocol is one line and status 1', async (t) => {
  const me = await endpoint(t, 'something/else')
  // Refused by TLS, but somebody has to take the attempt.
  void me.accept().then((incoming) => incoming?.accept().catch(() => {}))
  const { status, stdout, stderr } = await gaiwan(t, ['connect', ...LOOPBACK, me.ticket()])
  t.is(status, 1)
  t.is(stdout.length, 0)
  t.regex(stderr, /^gaiwan: [^\n]+ \[ALPN_MISMATCH\]\n$/)
})

test('a ticket without an address is one line and status 1', async (t) => {
  const { status, stderr } = await gaiwan(t, ['connect', ...LOOPBACK, EndpointTicket.encode({ id: SecretKey.generate().id })])
  t.is(status, 1)
  t.regex(stderr, /^gaiwan: [^\n]+ \[NO_ADDRESS\]\n$/)
})

test('a peer that closes while we wait for stdin ends the command, with its words made harmless', async (t) => {
  const me = await endpoint(t, ALPN)
  const here = Command.start(t, ['connect', ...LOOPBACK, me.ticket()])
  const connection = await (await me.accept())!.accept()
  await connection.acceptBi()
  connection.close(7, 'go \u001b[31maway\nnow')
  const { status, stderr } = await here.ended
  t.is(status, 1)
  t.regex(stderr, /^gaiwan: [^\n]*go [^\n]*away[^\n]* \[CONNECTION_CLOSED\]\n$/)
  t.false(stderr.includes('\u001b'))
})

test('a peer that resets the stream ends the command with status 1', async (t) => {
  const me = await endpoint(t, ALPN)
  const here = Command.start(t, ['connect', ...LOOPBACK, me.ticket()])
  const connection = await (await me.accept())!.accept()
  const { send, recv } = (await connection.acceptBi())!
  await recv.readExact(5)
  send.reset(9)
  const { status, stderr } = await here.ended
  t.is(status, 1)
  t.regex(stderr, /^gaiwan: [^\n]+ \[STREAM_RESET\]\n$/)
  // Both directions are given up, so that nobody takes half of the data for the whole. The close
  // may overtake the reset (RFC 9000, 10.2: no other frame follows it); neither is a clean end.
  const given = await t.throwsAsync<GaiwanError>(recv.readToEnd(100))
  t.true(['STREAM_RESET', 'CONNECTION_CLOSED'].includes(given.code), given.code)
})

test('a reader that goes away ends the command without an error', async (t) => {
  const there = listen(t)
  const ticket = await there.ticket()
  const here = Command.start(t, ['connect', ...LOOPBACK, ticket], { reads: false })
  there.stdin.write(Buffer.alloc(4 << 20))
  await once(here.stdout, 'readable')
  here.stdout.destroy()
  const { status, stderr } = await here.ended
  t.is(status, 0)
  t.is(stderr, '')
  // The other end is told that nobody reads any more.
  t.is((await there.ended).status, 1)
})

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} ends a waiting listen quietly`, async (t) => {
    const there = listen(t)
    await there.event('listening')
    there.kill(signal)
    const ended = await there.ended
    t.deepEqual([ended.status, ended.signal], [status, null])
    t.is(jsonLines(ended.stderr).length, 1)
  })

  test(`${signal} in the middle of a pipe tells the peer at once`, async (t) => {
    const there = listen(t)
    const here = Command.start(t, ['connect', ...LOOPBACK, await there.ticket()])
    here.stdin.write('some')
    await there.until(({ stdout }) => (stdout === 'some' ? true : undefined))
    here.kill(signal)
    t.is((await here.ended).status, status)
    const ended = await there.ended
    t.is(ended.status, 1)
    t.like(jsonLines(ended.stderr).at(-1), { event: 'error' })
  })
}
