// How do I give somebody a folder, so that it arrives whole and as it was?
//
// A folder becomes a collection: a list of names and hashes, with a hash of its own. The ticket carries that hash and where to
// ask. Whatever answers is checked against it while it comes in, 16 KiB at a time, so a wrong byte never reaches the disk.
// Run: npx tsx examples/share-a-folder.ts
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Endpoint, Router } from 'gaiwan'
import { ALPN, Blobs, BlobStore, type ProviderEvent } from 'gaiwan/blobs'

const LOOPBACK = { bind: '127.0.0.1:0' }

const place = await mkdtemp(join(tmpdir(), 'gaiwan-share-a-folder-'))
const folder = join(place, 'tea')
await mkdir(join(folder, 'green'), { recursive: true })
await writeFile(join(folder, 'list.txt'), 'sencha\ngyokuro\n')
await writeFile(join(folder, 'green/sencha.txt'), '70 °C, one minute\n')
await writeFile(
  join(folder, 'green/field.raw'),
  new Uint8Array(3_000_000).map((_, n) => n % 251),
)

// The one who has it. By reference: the store notes hashes and where the files lie, and copies nothing.
const store = await BlobStore.open(join(place, 'here'))
const shared = await store.addDirectory(folder, { mode: 'reference' })
console.log(`sharing ${shared.entries.length} files, ${shared.totalBytes} bytes`)

const sent: string[] = []
const onEvent = (event: ProviderEvent) => {
  if (event.type === 'started' && event.index > 1) sent.push(shared.entries[event.index - 2]!.name) // after the list and the names
}
const provider = new Blobs(await Endpoint.bind(LOOPBACK), store, { onEvent })
const router = Router.builder(provider.endpoint).accept(ALPN, provider).spawn()
const ticket = provider.ticket(shared.hash, shared.format)
console.log(`ticket ${ticket.slice(0, 12)}…`)

// The one who gets it, with a store of its own: what is in there need not come again.
const theirs = await BlobStore.open(join(place, 'there'))
const getter = new Blobs(await Endpoint.bind(LOOPBACK), theirs)
const download = getter.download(ticket)
let bytes = 0
for await (const event of download) {
  if (event.type === 'progress') bytes = event.bytes // a user interface draws its bar here
}
const { hash, stats } = await download
console.log(`fetched and verified ${stats.payloadBytesRead} bytes, the last progress told of ${bytes}`)

const paths = await theirs.exportCollection(hash, join(place, 'copy'))
const names = paths.map((path) => path.slice(place.length + 1).replaceAll('\\', '/'))
console.log(`wrote ${names.sort().join(', ')}`)
console.log(`sencha: ${(await readFile(join(place, 'copy/green/sencha.txt'), 'utf8')).trim()}`)

const again = await getter.download(ticket)
console.log(`once more: ${again.stats.payloadBytesRead} bytes, since all is here`)

await getter.endpoint.close()
await router.shutdown()
console.log(`the provider sent ${sent.sort().join(', ')}`)
await Promise.all([store.close(), theirs.close()])
await rm(place, { recursive: true })
