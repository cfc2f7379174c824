// How streams end: half-close, reset, stop, a dropped half, and back-pressure.
import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { DIALERS, essence, meet, peerFails, present, says } from './meeting.js'
import { sendPattern, tallyOf } from './pattern.js'

/** Zero, a small one and the largest that a varint holds. */
const CODES = [0n, 7n, 2n ** 62n - 1n]

for (const dialer of DIALERS) {
  test(`${says(dialer)}: a half-closed stream still carries the other way`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const ours = await gaiwan.openBi()
    await ours.send.write('that was all')
    await ours.send.finish()
    const theirs = await iroh.acceptBi()
    t.is(await theirs.recv.readText(), 'that was all')
    for (const word of ['one', 'two', 'three']) {
      await theirs.send.write(word)
      t.is(Buffer.from(await ours.recv.readExact(word.length)).toString(), word)
    }
    await theirs.send.finish()
    t.is(await ours.recv.read(), null)
    t.is(await ours.send.stopped, null)
    t.is(await theirs.send.stopped(), null)
    const error = await t.throwsAsync(ours.send.write('more'), { instanceOf: GaiwanError })
    t.is(error?.code, 'STREAM_CLOSED')
  })

  test(`${says(dialer)}: a stream that iroh half-closes still carries gaiwan's answer`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const theirs = await iroh.openBi()
    await theirs.send.write('question')
    await theirs.send.finish()
    const ours = present(await gaiwan.acceptBi())
    t.is(Buffer.from(await ours.recv.readToEnd(100)).toString(), 'question')
    await ours.send.write('answer')
    await ours.send.finish()
    t.is(await theirs.recv.readText(), 'answer')
    t.is(await ours.recv.resetReceived, null)
  })

  test(`${says(dialer)}: a reset by gaiwan reaches iroh with its code`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    for (const code of CODES) {
      const send = await gaiwan.openUni()
      await send.write('half a mess')
      const recv = await iroh.acceptUni()
      t.is(await recv.read(), 'half a mess')
      send.reset(code)
      t.is(await recv.resetReceived(), code)
      t.is(essence(await t.throwsAsync(send.write('x'), { instanceOf: GaiwanError })).code, 'STREAM_CLOSED')
    }
  })

  test(`${says(dialer)}: a reset by iroh fails gaiwan's read with its code`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    for (const code of CODES) {
      const send = await iroh.openUni()
      await send.write('half a mess')
      const recv = present(await gaiwan.acceptUni())
      t.is(Buffer.from(await recv.readExact(11)).toString(), 'half a mess')
      const reading = t.throwsAsync(recv.read(), { instanceOf: GaiwanError })
      await send.reset(code)
      t.deepEqual(essence(await reading), { code: 'STREAM_RESET', applicationCode: code })
      t.is(await recv.resetReceived, code)
    }
  })

  test(`${says(dialer)}: a stop by gaiwan reaches iroh with its code`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    for (const code of CODES) {
      const send = await iroh.openUni()
      const writing = peerFails(t, send.writePattern(64 * 1024 * 1024, 0))
      const recv = present(await gaiwan.acceptUni())
      await recv.readExact(10)
      recv.stop(code)
      t.deepEqual(await writing, { kind: 'stopped', code })
      t.is(await send.stopped(), code)
    }
  })

  test(`${says(dialer)}: a stop by iroh fails gaiwan's write with its code`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    for (const code of CODES) {
      const send = await gaiwan.openUni()
      const writing = t.throwsAsync(sendPattern(send, 64 * 1024 * 1024, 0), { instanceOf: GaiwanError })
      const recv = await iroh.acceptUni()
      t.not(await recv.read(10), null)
      await recv.stop(code)
      t.deepEqual(essence(await writing), { code: 'STREAM_STOPPED', applicationCode: code })
      t.is(await send.stopped, code)
    }
  })

  test(`${says(dialer)}: the two halves of a stream are given up apart`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const ours = await gaiwan.openBi()
    await ours.send.write('x')
    const theirs = await iroh.acceptBi()
    ours.send.reset(11)
    t.is(await theirs.recv.resetReceived(), 11n)
    await theirs.send.write('the other half lives')
    t.is(Buffer.from(await ours.recv.readExact(20)).toString(), 'the other half lives')
    ours.recv.stop(12)
    t.is(await theirs.send.stopped(), 12n)
  })

  test(`${says(dialer)}: a half-written stream that gaiwan lets go is a reset, never a whole message`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const send = await gaiwan.openUni()
    await send.write('half a mess')
    const recv = await iroh.acceptUni()
    t.is(await recv.read(), 'half a mess')
    await send[Symbol.asyncDispose]()
    t.is(await recv.resetReceived(), 0n)
  })

  test(`${says(dialer)}: a stream that iroh lets go ends, as iroh means it`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const send = await iroh.openUni()
    await send.write('all there is')
    await send.drop()
    const recv = present(await gaiwan.acceptUni())
    t.is(Buffer.from(await recv.readToEnd(100)).toString(), 'all there is')
  })

  test(`${says(dialer)}: while iroh reads nothing the writer waits, other streams go on`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const size = 24 * 1024 * 1024
    const send = await gaiwan.openUni()
    let written = false
    const writing = sendPattern(send, size, 9).finally(() => {
      written = true
    })
    const slow = await iroh.acceptUni()
    const aside = await gaiwan.openUni()
    await aside.write('aside')
    await aside.finish()
    t.is(await (await iroh.acceptUni()).readText(), 'aside')
    t.false(written)
    const read = await slow.readToEnd()
    t.deepEqual(read, await writing)
    t.is(read.bytes, size)
  })

  test(`${says(dialer)}: while gaiwan reads nothing iroh waits, other streams go on`, async (t) => {
    const { gaiwan, iroh } = await meet(t, dialer)
    const size = 24 * 1024 * 1024
    const send = await iroh.openUni()
    let written = false
    const writing = send.writePattern(size, 9).finally(() => {
      written = true
    })
    const slow = present(await gaiwan.acceptUni())
    const aside = await iroh.openUni()
    await aside.write('aside')
    await aside.finish()
    t.is(Buffer.from(await present(await gaiwan.acceptUni()).readToEnd(100)).toString(), 'aside')
    t.false(written)
    const reading = tallyOf(slow)
    const sent = await writing
    await send.finish()
    t.deepEqual(await reading, sent)
  })
}
