// How do I read a part of something large that lies with a peer, without fetching all of it?
//
// The hash of a blob is the top of a tree. A provider sends the bytes that were asked for and the few hashes that tie them to
// the top, so even four bytes out of the middle are proven to be those of that blob.
// Run: npx tsx examples/range-read.ts
import { Endpoint, Router } from 'gaiwan'
import { ALPN, Blobs, BlobStore } from 'gaiwan/blobs'

const LOOPBACK = { bind: '127.0.0.1:0' }
const RECORD_BYTES = 32
const RECORDS = 500_000

/** A book of tastings: records of one length, so that each can be found by its number. */
function* book(): Generator<Uint8Array> {
  for (let n = 0; n < RECORDS; n += 10_000) {
    const page = Array.from({ length: 10_000 }, (_, i) => `cup ${n + i}`.padEnd(RECORD_BYTES - 1))
    yield new TextEncoder().encode(`${page.join('\n')}\n`)
  }
}
async function* slowly(pages: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* pages
}

const shelf = BlobStore.memory()
const { hash, size } = await shelf.add(slowly(book()))
const provider = new Blobs(await Endpoint.bind(LOOPBACK), shelf)
const router = Router.builder(provider.endpoint).accept(ALPN, provider).spawn()
const addr = provider.endpoint.addr
console.log(`the provider holds ${size} bytes`)

const store = BlobStore.memory()
const reader = new Blobs(await Endpoint.bind(LOOPBACK), store)

/** One record, straight from the peer and past our store. */
async function record(n: number): Promise<string> {
  const bytes: Uint8Array[] = []
  const range = { start: n * RECORD_BYTES, end: (n + 1) * RECORD_BYTES }
  for await (const chunk of reader.stream(addr, hash, range)) bytes.push(chunk)
  return new TextDecoder().decode(Buffer.concat(bytes)).trim()
}

// The size is proven too: a lie about it would not fit the hash.
const records = (await reader.size(addr, hash)) / RECORD_BYTES
console.log(`it proves to be ${records} records`)
console.log(`in the middle: ${await record(records / 2)}`)
console.log(`the last one: ${await record(records - 1)}`)

// Into the store: what is there stays there, and the rest can follow whenever it is wanted.
const first = await reader.download({ hash, providers: [addr] }, { ranges: [{ start: 0, end: 65_536 }] })
const part = await store.status(hash)
console.log(`fetched ${first.stats.payloadBytesRead} bytes, the blob is ${part.state} here`)
const rest = await reader.download({ hash, providers: [addr] })
console.log(`fetched the other ${rest.stats.payloadBytesRead}, the blob is ${(await store.status(hash)).state}`)

await reader.endpoint.close()
await router.shutdown()
await Promise.all([store.close(), shelf.close()])
