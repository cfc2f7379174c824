import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import { GaiwanError } from '../../ts/index.js'
import { pattern, streamPair, text } from '../helpers/pair.js'

test('a readable is a byte stream that ends with the stream', async (t) => {
  const { send, peer } = await streamPair(t)
  const whole = pattern(200_000)
  void send.write(whole)
  await send.finish()
  const chunks: Uint8Array[] = []
  for await (const chunk of peer.recv.readable) chunks.push(chunk)
  t.is(Buffer.compare(Buffer.concat(chunks), whole), 0)
  t.is(peer.readable, peer.recv.readable)
})

test('a BYOB reader gets bytes into its own memory', async (t) => {
  const { send, peer } = await streamPair(t)
  await send.write('abcdef')
  await send.finish()
  const reader = peer.recv.readable.getReader({ mode: 'byob' })
  let view = new Uint8Array(4)
  const seen: number[] = []
  for (;;) {
    const { value, done } = await reader.read(view)
    if (done) break
    seen.push(...value)
    view = new Uint8Array(value.buffer)
  }
  t.is(text(Uint8Array.from(seen)), 'abcdef')
})

test('cancelling stops with the code of the reason', async (t) => {
  const { send, peer } = await streamPair(t)
  await peer.recv.readable.cancel(new GaiwanError('PROTOCOL_VIOLATION', 'no', { applicationCode: 9 }))
  t.is(await send.stopped, 9n)
})

test('a reset errors the readable', async (t) => {
  const { send, peer } = await streamPair(t)
  const reader = peer.recv.readable.getReader()
  const read = reader.read()
  send.reset(4)
  const error = await t.throwsAsync(read, { instanceOf: GaiwanError, code: 'STREAM_RESET' })
  t.is((error as GaiwanError).applicationCode, 4n)
})

test('a writable writes, finishes on close and resets on abort', async (t) => {
  const { send, writable, peer } = await streamPair(t)
  const writer = writable.getWriter()
  await writer.write(new TextEncoder().encode('abc'))
  await writer.close()
  t.is(text(await peer.recv.readToEnd(10)), 'abc')
  t.is(await send.stopped, null)
  await peer.send.writable.abort(new GaiwanError('PROTOCOL_VIOLATION', 'no', { applicationCode: 5 }))
  t.is(text(null), null)
  await t.throwsAsync(peer.send.write('x'), { code: 'STREAM_CLOSED' })
})

test('an abort reaches the peer with the code of its reason', async (t) => {
  const { recv, peer } = await streamPair(t)
  await peer.send.writable.abort(new GaiwanError('PROTOCOL_VIOLATION', 'no', { applicationCode: 5 }))
  t.is(await recv.resetReceived, 5n)
})

test('Web Streams pipe through', async (t) => {
  const { readable, writable, peer } = await streamPair(t)
  const echo = peer.readable.pipeTo(peer.writable)
  const whole = pattern(500_000)
  const sent = Readable.toWeb(Readable.from([whole.subarray(0, 1_000), whole.subarray(1_000)])).pipeTo(writable)
  const back: Uint8Array[] = []
  for await (const chunk of readable) back.push(chunk)
  await Promise.all([echo, sent])
  t.is(Buffer.compare(Buffer.concat(back), whole), 0)
})

test('a duplex works in a pipeline, both halves to their end', async (t) => {
  const { duplex, peer } = await streamPair(t)
  const own = duplex()
  const echo = pipeline(
    peer.recv,
    async function* (chunks) {
      for await (const chunk of chunks) yield chunk
    },
    peer.duplex(),
  )
  const whole = Buffer.from(pattern(400_000))
  const back: Buffer[] = []
  await Promise.all([
    pipeline(
      Readable.from([whole]),
      own,
      new Writable({
        write(chunk: Buffer, _, callback) {
          back.push(chunk)
          callback()
        },
      }),
    ),
    echo,
  ])
  t.is(Buffer.compare(Buffer.concat(back), whole), 0)
})

test('destroying a duplex resets and stops, with the code of the error', async (t) => {
  const { duplex, peer } = await streamPair(t)
  const own = duplex()
  own.on('error', () => {})
  own.destroy(new GaiwanError('PROTOCOL_VIOLATION', 'no', { applicationCode: 6 }))
  t.is(await peer.recv.resetReceived, 6n)
  t.is(await peer.send.stopped, 6n)
})

test('a duplex that ended well is destroyed without a word', async (t) => {
  const { duplex, peer } = await streamPair(t)
  const own = duplex()
  const closed = new Promise((resolve) => own.once('close', resolve))
  own.end('bye')
  t.is(text(await peer.recv.readToEnd(10)), 'bye')
  await peer.send.finish()
  own.resume()
  await closed
  t.is(await peer.send.stopped, null)
})
