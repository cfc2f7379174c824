// How do I let a browser, or whatever else speaks HTTP, read what a store holds?
//
// `serve` answers GET and HEAD on this machine: a blob by its hash, a file of a collection by hash and name. The hash is the
// entity tag, so caches never ask twice; ranges let a player seek; every byte is verified on its way out.
// Run: npx tsx examples/http-gateway.ts
import { BlobStore } from 'gaiwan/blobs'
import { serve } from 'gaiwan/blobs/http'

const store = BlobStore.memory()
const menu = await store.add('sencha\noolong\nassam\n')
const page = await store.add('<h1>Tea</h1>')
const house = await store.createCollection([
  { name: 'menu.txt', hash: menu.hash },
  { name: 'pages/index.html', hash: page.hash },
])

// For a server of your own: createServer(createHandler(store)).
const gateway = await serve(store, { port: 0 })
const at = (path: string) => `${gateway.url}/${house.hash}${path}`

const file = await fetch(at('/menu.txt'))
console.log(`${file.status} ${file.headers.get('content-type')}: ${(await file.text()).split('\n')[0]}`)

const middle = await fetch(at('/menu.txt'), { headers: { range: 'bytes=7-12' } })
console.log(`${middle.status} ${middle.headers.get('content-range')}: ${await middle.text()}`)

const known = await fetch(at('/menu.txt'), { headers: { 'if-none-match': file.headers.get('etag')! } })
console.log(`${known.status}, the tag is the hash: ${file.headers.get('etag') === `"${menu.hash}"`}`)

// What others wrote may be shown, but not run.
const html = await fetch(at('/pages/index.html'))
console.log(`${html.status} ${html.headers.get('content-security-policy')}: ${await html.text()}`)

const list = await fetch(at('/'), { headers: { accept: 'application/json' } })
const { entries } = (await list.json()) as { entries: { name: string; size: number }[] }
console.log(`${list.status} ${entries.map(({ name, size }) => `${name} (${size})`).join(', ')}`)

const none = await fetch(at('/teapot.txt'))
console.log(`${none.status} ${(await none.text()).trim()}`)

await gateway.close()
await store.close()
