/** One process of a blobs pair: `provide DIRECTORY PATH` and `receive TICKET DIRECTORY DURABILITY`; answers in JSON lines. */
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { Endpoint, Router } from '../../dist/index.js'
import { ALPN, Blobs, BlobStore } from '../../dist/blobs/index.js'

const [role, ...rest] = process.argv.slice(2)
if (role === 'provide') await provide(...rest)
else if (role === 'receive') await receive(...rest)
else throw new Error(`the role is provide or receive, not ${role}`)

/** Adds PATH by reference and serves it until stdin ends. */
async function provide(directory, path) {
  const store = await BlobStore.open(directory)
  const begun = performance.now()
  const added = statSync(path).isDirectory()
    ? await store.addDirectory(path, { mode: 'reference' })
    : await store.addFile(path, { mode: 'reference' })
  const importMs = performance.now() - begun
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0' })
  const blobs = new Blobs(endpoint, store)
  const router = Router.builder(endpoint).accept(ALPN, blobs).spawn()
  console.log(JSON.stringify({ ticket: blobs.ticket(added.hash, added.format), importMs }))
  process.stdin.resume()
  await once(process.stdin, 'end')
  await router.shutdown()
  await store.close()
  console.log(JSON.stringify({ maxRssBytes: process.resourceUsage().maxRSS * 1024 }))
}

/** Fetches TICKET into a new store. */
async function receive(ticket, directory, durability) {
  const store = await BlobStore.open(directory, { durability })
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0' })
  const begun = performance.now()
  const { stats } = await new Blobs(endpoint, store).download(ticket)
  const fetchMs = performance.now() - begun
  await store.close()
  await endpoint.close()
  console.log(JSON.stringify({ fetchMs, bytes: stats.payloadBytesRead, maxRssBytes: process.resourceUsage().maxRSS * 1024 }))
}
