// What `npm run test:foreign` runs in a foreign Node.js, beside an unpacked node_modules/gaiwan:
//   probe.mjs alone FOLDER         both ends in this process: an echo, then a blob from one store on disk to another
//   probe.mjs serve FOLDER         prints a ticket and serves the same to another process until stdin ends
//   probe.mjs get FOLDER TICKET    the other process
// The last line of `alone` and `get` is what was seen, as JSON. A wrong byte, or two minutes, ends it with a failure.
import { once } from 'node:events'
import { join } from 'node:path'
import { Endpoint, Router } from 'gaiwan'
import { ALPN, Blobs, BlobStore, BlobTicket } from 'gaiwan/blobs'

const ECHO = 'gaiwan/foreign-echo/1'
const LOOPBACK = { bind: '127.0.0.1:0' }
const BLOB_BYTES = 8 * 1024 * 1024 + 1
/** BLAKE3 of `sample()`, as linux-x64-gnu made it: every machine must make the same. */
const BLOB_HASH = '9bad0b90daa389f14a2db3d7c963518cd6166a310f102f29438b7a61efe2e784'
const signal = AbortSignal.timeout(120_000)

/** Bytes that look random and are the same everywhere. */
function sample() {
  const bytes = new Uint8Array(BLOB_BYTES)
  for (let n = 0, word = 0x9e3779b9; n < bytes.length; n++) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0
    bytes[n] = word >>> 24
  }
  return bytes
}

async function serve(folder) {
  const store = await BlobStore.open(join(folder, 'here'))
  const { hash } = await store.add(sample())
  if (hash !== BLOB_HASH) throw new Error(`the blob's hash is ${hash}, not ${BLOB_HASH}`)
  const provider = new Blobs(await Endpoint.bind(LOOPBACK), store)
  const router = Router.builder(provider.endpoint)
    .accept(ALPN, provider)
    .accept(ECHO, (connection) => connection.serve((body) => body))
    .spawn()
  const close = async () => {
    await router.shutdown()
    await store.close()
  }
  return { ticket: provider.ticket(hash), close }
}

async function get(folder, ticket) {
  const begin = performance.now()
  const store = await BlobStore.open(join(folder, 'there'))
  const endpoint = await Endpoint.bind(LOOPBACK)
  const connection = await endpoint.connect(BlobTicket.decode(ticket).addr, ECHO, { signal })
  const said = sample().subarray(0, 100_000)
  const heard = await connection.request(said, { signal, maxResponseBytes: said.length })
  if (Buffer.compare(said, heard) !== 0) throw new Error('the echo is not what was said')
  connection.close()
  const { stats } = await new Blobs(endpoint, store).download(ticket, { signal })
  const bytes = await store.get(BLOB_HASH)
  if (Buffer.compare(sample(), bytes) !== 0) throw new Error('the blob is not the one that was sent')
  await endpoint.close()
  await store.close()
  return { echo: said.length, blob: stats.payloadBytesRead, ms: Math.round(performance.now() - begin) }
}

const [role, folder, ticket] = process.argv.slice(2)
const seen = { node: process.versions.node, arch: process.arch, platform: process.platform }
if (role === 'get') console.log(JSON.stringify({ ...seen, ...(await get(folder, ticket)) }))
else {
  const served = await serve(folder)
  if (role === 'alone') console.log(JSON.stringify({ ...seen, ...(await get(folder, served.ticket)) }))
  else {
    console.log(served.ticket)
    process.stdin.resume()
    await once(process.stdin, 'end')
  }
  await served.close()
}
