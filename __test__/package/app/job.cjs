// What each installed package is asked to do: an echo over a connection, then a blob from one endpoint to another, compared byte for byte
// by a hash that has nothing to do with that of the transfer. Handed the modules, so that ESM and CommonJS programs can run it.
const { createHash } = require('node:crypto')

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
const LOOPBACK = { bind: '127.0.0.1:0', closeTimeoutMs: 1_000 }
const ECHO = 'gaiwan-test/echo/1'

async function whole(stream) {
  const pieces = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

exports.job = async function job({ Endpoint, Router }, { ALPN, Blobs, BlobStore }) {
  const payload = new Uint8Array(3_000_001).map((_, n) => (n * 31) % 251)
  const store = await BlobStore.memory()
  const { hash } = await store.add(payload)
  const offering = await Endpoint.bind(LOOPBACK)
  const blobs = new Blobs(offering, store)
  const echo = async (connection) => {
    for await (const { send, recv } of connection.incomingBi()) {
      for await (const chunk of recv) await send.write(chunk)
      await send.finish()
    }
  }
  const router = Router.builder(offering).accept(ECHO, echo).accept(ALPN, blobs).spawn()

  const asking = await Endpoint.bind(LOOPBACK)
  const connection = await asking.connect(offering.ticket(), ECHO)
  const { send, recv } = await connection.openBi()
  const [echoed] = await Promise.all([whole(recv), send.write(payload).then(() => send.finish())])

  const theirs = await BlobStore.memory()
  await new Blobs(asking, theirs).download(blobs.ticket(hash))
  const fetched = await whole(theirs.read(hash))

  await asking.close()
  await router.shutdown()
  await Promise.all([store.close(), theirs.close()])
  const wanted = sha256(payload)
  return { echo: sha256(echoed) === wanted, blob: sha256(fetched) === wanted, bytes: echoed.length + fetched.length }
}
