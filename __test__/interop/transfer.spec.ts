// Streams of every size, both kinds, both ways: each side makes, counts and hashes the bytes on its own.
import test from 'ava'
import { DIALERS, meet, present, says } from './meeting.js'
import { sendPattern, tallyOf } from './pattern.js'

const SIZES = [0, 1, 64 * 1024, 1024 * 1024, 8 * 1024 * 1024, 100 * 1024 * 1024]

for (const dialer of DIALERS) {
  test(`${says(dialer)}: a bi stream of gaiwan carries 0 B to 100 MiB there and back`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    for (const [seed, size] of SIZES.entries()) {
      const ours = await gaiwan.openBi()
      const sending = sendPattern(ours.send, size, seed)
      const theirs = await iroh.acceptBi()
      t.deepEqual(await theirs.recv.readToEnd(), await sending)
      const [came, went] = await Promise.all([tallyOf(ours.recv), theirs.send.sendPattern(size, seed + 100)])
      t.deepEqual(came, went)
      t.is(came.bytes, size)
      t.is(ours.recv.bytesRead, BigInt(size))
    }
  })

  test(`${says(dialer)}: a bi stream of iroh carries 0 B to 8 MiB there and back`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    for (const [seed, size] of SIZES.filter((bytes) => bytes <= 8 * 1024 * 1024).entries()) {
      const theirs = await iroh.openBi()
      const sending = theirs.send.sendPattern(size, seed)
      const ours = present(await gaiwan.acceptBi())
      t.deepEqual(await tallyOf(ours.recv), await sending)
      const [went, came] = await Promise.all([sendPattern(ours.send, size, seed + 100), theirs.recv.readToEnd()])
      t.deepEqual(came, went)
      t.is(came.bytes, size)
    }
  })

  test(`${says(dialer)}: uni streams carry 0 B to 100 MiB each way`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    for (const [seed, size] of SIZES.entries()) {
      const send = await gaiwan.openUni()
      const sending = sendPattern(send, size, seed)
      const received = await (await iroh.acceptUni()).readToEnd()
      t.deepEqual(received, await sending)
      t.is(received.bytes, size)

      const back = await iroh.openUni()
      const answering = back.sendPattern(size, seed + 100)
      const came = await tallyOf(present(await gaiwan.acceptUni()))
      t.deepEqual(came, await answering)
      t.is(came.bytes, size)
    }
  })

  test(`${says(dialer)}: both ends send 8 MiB at once on one stream`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const size = 8 * 1024 * 1024
    const ours = await gaiwan.openBi()
    const sending = sendPattern(ours.send, size, 1)
    const theirs = await iroh.acceptBi()
    const answering = theirs.send.sendPattern(size, 2)
    const [came, arrived] = await Promise.all([tallyOf(ours.recv), theirs.recv.readToEnd()])
    t.deepEqual(arrived, await sending)
    t.deepEqual(came, await answering)
  })
}

test('iroh echoes 64 streams of gaiwan that run at once', async (t) => {
  const { gaiwan } = await meet(t, 'gaiwan', { serve: 'echo' })
  const tallies = await Promise.all(
    Array.from({ length: 64 }, async (_, seed) => {
      const { send, recv } = await gaiwan.openBi()
      const [sent, came] = await Promise.all([sendPattern(send, 40_000 + seed, seed), tallyOf(recv)])
      return { sent, came }
    }),
  )
  for (const { sent, came } of tallies) t.deepEqual(came, sent)
})

test('iroh answers requests of gaiwan, more than its stream limit at once', async (t) => {
  const { gaiwan } = await meet(t, 'gaiwan', { serve: 'echo' })
  const bodies = Array.from({ length: 300 }, (_, i) => `request ${i}`)
  const answers = await Promise.all(bodies.map((body) => gaiwan.request(body)))
  t.deepEqual(
    answers.map((answer) => Buffer.from(answer).toString()),
    bodies,
  )
})

test('gaiwan serves requests of iroh', async (t) => {
  const { gaiwan, iroh } = await meet(t, 'iroh')
  const serving = gaiwan.serve((body) => `${Buffer.from(body).toString()}!`)
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const { send, recv } = await iroh.openBi()
      await send.write(`request ${i}`)
      await send.finish()
      return await recv.readText()
    }),
  )
  t.deepEqual(
    answers,
    Array.from({ length: 50 }, (_, i) => `request ${i}!`),
  )
  await iroh.close()
  await serving
})
