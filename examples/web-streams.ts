// How do I use QUIC streams with the streams of the web?
//
// Both halves of a stream come as Web Streams, so whatever pipes, transforms or compresses those works unchanged.
// Run: npx tsx examples/web-streams.ts
import { CompressionStream, DecompressionStream, ReadableStream, TextDecoderStream, TextEncoderStream } from 'node:stream/web'
import { type Connection, Endpoint, Router } from 'gaiwan'

const ALPN = 'example/notes/1'
const LOOPBACK = { bind: '127.0.0.1:0' }
const LINES = 20_000

/** Unpacks what arrives and answers with the number of lines. */
async function count(connection: Connection): Promise<void> {
  for await (const { readable, writable } of connection.incomingBi()) {
    let lines = 0
    for await (const text of readable.pipeThrough(new DecompressionStream('gzip')).pipeThrough(new TextDecoderStream())) {
      lines += text.split('\n').length - 1
    }
    const writer = writable.getWriter()
    await writer.write(new TextEncoder().encode(`${lines} lines`))
    await writer.close()
  }
}

/** Tasting notes, made only as fast as they are taken. */
function notes(): ReadableStream<string> {
  let n = 0
  return new ReadableStream({
    pull(controller) {
      if (n === LINES) return controller.close()
      controller.enqueue(`cup ${++n}: bright, a little grass, long finish\n`)
    },
  })
}

const router = Router.builder(await Endpoint.bind(LOOPBACK))
  .accept(ALPN, count)
  .spawn()
const me = await Endpoint.bind(LOOPBACK)
const connection = await me.connect(router.endpoint.addr, ALPN)

const { readable, writable } = await connection.openBi()
await notes().pipeThrough(new TextEncoderStream()).pipeThrough(new CompressionStream('gzip')).pipeTo(writable)
for await (const answer of readable.pipeThrough(new TextDecoderStream())) console.log('the peer counted', answer)
console.log('bytes sent, packets and all:', connection.stats().udpTx.bytes)

connection.close()
await me.close()
await router.shutdown()
