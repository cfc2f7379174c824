import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { Command, jsonLines, LOOPBACK } from './command.js'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A TCP service on a free port of 127.0.0.1. */
async function service(t: ExecutionContext, handle: (socket: Socket) => void): Promise<string> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    handle(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Tunnel {
  readonly near: Command
  readonly far: Command
  readonly port: number
}

/** Both commands, joined: what connects to `port` reaches `host`. */
async function tunnel(t: ExecutionContext, host: string): Promise<Tunnel> {
  const far = Command.start(t, ['listen-tcp', ...LOOPBACK, '--json', '--host', host])
  const near = Command.start(t, ['connect-tcp', ...LOOPBACK, '--json', '--addr', '127.0.0.1:0', await far.ticket()])
  const { address } = await near.event('listening')
  return { near, far, port: Number(String(address).split(':').at(-1)) }
}

function dial(t: ExecutionContext, port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  return socket
}

/** What the other side sends until its end; ours stays open. */
async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

test('10 MiB go through and come back as they were', async (t) => {
  const { port } = await tunnel(t, await service(t, (socket) => socket.pipe(socket)))
  const bytes = randomBytes(10 << 20)
  const socket = dial(t, port)
  socket.end(bytes)
  const back = await all(socket)
  t.is(back.length, bytes.length)
  t.is(sha256(back), sha256(bytes))
})

test('a service that answers only after the end of the question is served: each direction ends on its own', async (t) => {
  const host = await service(t, async (socket) => {
    const question = await all(socket)
    socket.end(sha256(question))
  })
  const { port } = await tunnel(t, host)
  const bytes = randomBytes(3 << 20)
  const socket = dial(t, port)
  socket.end(bytes)
  t.is((await all(socket)).toString(), sha256(bytes))
})

test('a service that ends first still hears the rest', async (t) => {
  let heard = (_: Buffer) => {}
  const rest = new Promise<Buffer>((resolve) => {
    heard = resolve
  })
  const host = await service(t, async (socket) => {
    socket.end('goodbye')
    heard(await all(socket))
  })
  const { port } = await tunnel(t, host)
  const socket = dial(t, port)
  t.is((await all(socket)).toString(), 'goodbye')
  socket.end('wait, one more thing')
  t.is((await rest).toString(), 'wait, one more thing')
})

test('many connections at once keep their bytes apart', async (t) => {
  const { port, far } = await tunnel(t, await service(t, (socket) => socket.pipe(socket)))
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const socket = dial(t, port)
      socket.end(`number ${n}`)
      return (await all(socket)).toString()
    }),
  )
  t.deepEqual(
    answers,
    Array.from({ length: 20 }, (_, n) => `number ${n}`),
  )
  await far.until(({ stdout }) => (jsonLines(stdout).filter(({ event }) => event === 'forwarded').length === 20 ? true : undefined))
})

test('a service that is down resets the connection, and both commands go on', async (t) => {
  const { port, far, near } = await tunnel(t, '127.0.0.1:1') // tcpmux: nobody runs it
  const socket = dial(t, port)
  const [error] = await once(socket, 'error')
  t.is(error.code, 'ECONNRESET')
  t.like(await far.event('error'), { event: 'error', code: 'ECONNREFUSED' })
  t.like(await near.event('error'), { event: 'error' })
  const again = dial(t, port)
  t.is((await once(again, 'error'))[0].code, 'ECONNRESET')
})

test('a service that breaks off resets the near side: half an answer does not look whole', async (t) => {
  const host = await service(t, (socket) => {
    socket.write('half of')
    socket.once('data', () => socket.resetAndDestroy())
  })
  const { port } = await tunnel(t, host)
  const socket = dial(t, port)
  await once(socket, 'data')
  socket.write('go on')
  t.is((await once(socket, 'error'))[0].code, 'ECONNRESET')
})

test('connect-tcp reaches a plain listen', async (t) => {
  const far = Command.start(t, ['listen', ...LOOPBACK, '--json'])
  far.stdin.end('from a pipe')
  const near = Command.start(t, ['connect-tcp', ...LOOPBACK, '--json', '--addr', '127.0.0.1:0', await far.ticket()])
  const socket = dial(
    t,
    Number(
      String((await near.event('listening')).address)
        .split(':')
        .at(-1),
    ),
  )
  socket.end('from a socket')
  t.is((await all(socket)).toString(), 'from a pipe')
  t.is((await far.ended).stdout.toString(), 'from a socket')
})

test('a plain connect reaches listen-tcp', async (t) => {
  const far = Command.start(t, ['listen-tcp', ...LOOPBACK, '--json', '--host', await service(t, (socket) => socket.pipe(socket))])
  const near = Command.start(t, ['connect', ...LOOPBACK, await far.ticket()])
  near.stdin.end('there and back')
  const { status, stdout } = await near.ended
  t.is(status, 0)
  t.is(stdout.toString(), 'there and back')
})

test('SIGINT and SIGTERM end both commands well, connections included', async (t) => {
  const { near, far, port } = await tunnel(t, await service(t, (socket) => socket.pipe(socket)))
  const socket = dial(t, port)
  socket.write('open')
  await once(socket, 'data')
  near.kill('SIGINT')
  t.is((await once(socket, 'error'))[0].code, 'ECONNRESET')
  t.deepEqual([(await near.ended).status, (await near.ended).signal], [0, null])
  far.kill('SIGTERM')
  t.deepEqual([(await far.ended).status, (await far.ended).signal], [0, null])
})

test('a port that is taken is one line and status 1', async (t) => {
  const taken = await service(t, () => {})
  const far = Command.start(t, ['listen-tcp', ...LOOPBACK, '--json', '--host', taken])
  const near = Command.start(t, ['connect-tcp', ...LOOPBACK, '--addr', taken, await far.ticket()])
  const { status, stdout, stderr } = await near.ended
  t.is(status, 1)
  t.is(stdout.length, 0)
  t.regex(stderr, /^gaiwan: [^\n]+ \[EADDRINUSE\]\n$/)
})
