// Documents about the size of the largest frame that the Rust example reads.
import { randomBytes } from 'node:crypto'
import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { desk, find, met, moves, parted } from './network.js'

interface Picture {
  pixels: Uint8Array
}
const MIB = 1024 * 1024
const picture = (mib: number): Picture => ({ pixels: randomBytes(Math.floor(mib * MIB)) })

test('a document of 7.9 MiB syncs with what the Rust example reads', async (t) => {
  const a = await desk(t)
  const b = await desk(t, { peers: [a.endpoint.addr] })
  await met(b, a)
  const made = a.repo.create<Picture>(picture(7.9))
  const found = await find<Picture>(b, made.url, ({ pixels }) => pixels !== undefined)
  t.true(Buffer.from(found.doc().pixels).equals(made.doc().pixels))
})

test('a document of 8.1 MiB is told of once, the session comes back without it, and others sync', async (t) => {
  const a = await desk(t)
  const errors: unknown[] = []
  a.endpoint.on('handlerError', (error) => errors.push(error))
  const b = await desk(t, { peers: [a.endpoint.addr], adapter: { retry: { initialMs: 20, maxMs: 50 } } })
  await Promise.all([met(a, b), met(b, a)])
  const large = a.repo.create<Picture>(picture(8.1))
  await parted(b, a)
  await Promise.all([met(a, b), met(b, a)])
  const small = a.repo.create<Picture>(picture(0.1))
  await find<Picture>(b, small.url, ({ pixels }) => pixels !== undefined)
  // The peer asks, is not answered, and the session stays.
  const asking = b.repo.findWithProgress<Picture>(large.url)
  t.true('state' in asking && asking.state !== 'ready')
  const back = b.repo.create<Picture>(picture(0.1))
  await find<Picture>(a, back.url, ({ pixels }) => pixels !== undefined)
  t.is(errors.length, 1)
  t.true(GaiwanError.is(errors[0], 'FRAME_TOO_LARGE'))
  t.deepEqual([moves(a).length, moves(b).length], [3, 3])
})

test('with a larger maxSendBytes it syncs between two of our own', async (t) => {
  const adapter = { maxSendBytes: 32 * MIB }
  const a = await desk(t, { adapter })
  const b = await desk(t, { peers: [a.endpoint.addr], adapter })
  await met(b, a)
  const made = a.repo.create<Picture>(picture(8.1))
  const found = await find<Picture>(b, made.url, ({ pixels }) => pixels !== undefined)
  t.true(Buffer.from(found.doc().pixels).equals(made.doc().pixels))
  t.is(moves(b).length, 1)
})

test('a frame above maxReceiveBytes ends the session that it comes on', async (t) => {
  const a = await desk(t)
  const b = await desk(t, { peers: [a.endpoint.addr], adapter: { maxReceiveBytes: MIB, retry: false } })
  const told = new Promise((resolve) => b.endpoint.on('handlerError', resolve))
  await Promise.all([met(a, b), met(b, a)])
  a.repo.create<Picture>(picture(2))
  t.true(GaiwanError.is(await told, 'FRAME_TOO_LARGE'))
  await Promise.all([parted(a, b), parted(b, a)])
  t.is(moves(a).length, 2)
})
