import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import test from 'ava'
import { createHandler, serve } from '../../../ts/blobs/http/index.js'
import { GaiwanError } from '../../../ts/index.js'
import { pattern, until } from '../../helpers/pair.js'
import { ask, Client, partsOf } from './client.js'
import { MemoryStore } from './store.js'

const FOREVER = 'public, max-age=31536000, immutable'

test('GET of a blob is all of it, with every header', async (t) => {
  const client = await Client.start(t)
  const data = pattern(100_000)
  const hash = client.store.add(data)
  const { status, headers, body } = await client.get(`/${hash}`)
  t.is(status, 200)
  t.deepEqual(body, Buffer.from(data))
  const { date, connection, ...rest } = headers
  t.deepEqual(rest, {
    etag: `"${hash}"`,
    'cache-control': FOREVER,
    'content-type': 'application/octet-stream',
    'content-length': '100000',
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'sandbox',
  })
})

test('HEAD says the same and sends nothing, a range or not; no byte is read for it', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add(pattern(5_000))
  const got = await client.get(`/${hash}`)
  const reads = client.store.reads.length
  for (const headers of [{}, { range: 'bytes=1-2' }]) {
    const head = await client.ask('HEAD', `/${hash}`, headers)
    t.is(head.status, 200)
    t.is(head.body.length, 0)
    t.deepEqual({ ...head.headers, date: '' }, { ...got.headers, date: '' })
  }
  t.is(client.store.reads.length, reads)
})

test('the empty blob is an answer of no bytes', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add('')
  const whole = await client.get(`/${hash}`)
  t.deepEqual([whole.status, whole.headers['content-length'], whole.body.length], [200, '0', 0])
  t.is((await client.get(`/${hash}`, { range: 'bytes=-5' })).status, 200)
  const none = await client.get(`/${hash}`, { range: 'bytes=0-' })
  t.deepEqual([none.status, none.headers['content-range']], [416, 'bytes */0'])
  t.is(client.store.reads.length, 0)
})

test('a single range is 206 with Content-Range, and only that is read', async (t) => {
  const client = await Client.start(t)
  const data = Buffer.from(pattern(100_000))
  const hash = client.store.add(data)
  for (const [range, start, end] of [
    ['bytes=10-19', 10, 20],
    ['bytes=99990-', 99_990, 100_000],
    ['bytes=-7', 99_993, 100_000],
  ] as const) {
    const { status, headers, body } = await client.get(`/${hash}`, { range })
    t.is(status, 206)
    t.is(headers['content-range'], `bytes ${start}-${end - 1}/100000`)
    t.is(headers['content-length'], String(end - start))
    t.is(headers.etag, `"${hash}"`)
    t.deepEqual(body, data.subarray(start, end))
    t.like(client.store.reads.at(-1), { start, end })
  }
})

test('several ranges are one multipart answer, in the order asked', async (t) => {
  const client = await Client.start(t)
  const data = Buffer.from(pattern(100_000))
  const root = client.store.addCollection({ 'a.txt': data })
  const answer = await client.get(`/${root}/a.txt`, { range: 'bytes=-5, 0-9, 40000-79999' })
  t.is(answer.status, 206)
  t.is(answer.headers['content-range'], undefined)
  t.is(answer.headers['content-length'], String(answer.body.length))
  t.deepEqual(
    partsOf(answer).map(({ headers, body }) => [headers, body]),
    [
      [{ 'content-type': 'text/plain; charset=utf-8', 'content-range': 'bytes 99995-99999/100000' }, data.subarray(99_995)],
      [{ 'content-type': 'text/plain; charset=utf-8', 'content-range': 'bytes 0-9/100000' }, data.subarray(0, 10)],
      [{ 'content-type': 'text/plain; charset=utf-8', 'content-range': 'bytes 40000-79999/100000' }, data.subarray(40_000, 80_000)],
    ],
  )
})

test('more ranges than allowed are answered by the whole, never by many small reads', async (t) => {
  const client = await Client.start(t, { maxRanges: 3 })
  const hash = client.store.add(pattern(10_000))
  const range = `bytes=${Array.from({ length: 1_000 }, (_, n) => `${n * 4}-${n * 4}`).join(',')}`
  t.is((await client.get(`/${hash}`, { range })).status, 200)
  t.is(client.store.reads.length, 1)
  t.is((await client.get(`/${hash}`, { range: 'bytes=0-0,2-2,4-4' })).status, 206)
})

test('416 has Content-Range and no content of the blob', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add('tea')
  const { status, headers, body } = await client.get(`/${hash}`, { range: 'bytes=3-' })
  t.is(status, 416)
  t.is(headers['content-range'], 'bytes */3')
  t.is(headers['cache-control'], 'no-store')
  t.notRegex(body.toString(), /tea/)
})

test('304 repeats the tag and carries nothing', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add('tea')
  for (const method of ['GET', 'HEAD']) {
    const { status, headers, body } = await client.ask(method, `/${hash}`, { 'if-none-match': `"x", W/"${hash}"`, range: 'bytes=0-0' })
    t.is(status, 304)
    t.deepEqual([headers.etag, headers['cache-control'], headers['content-length'], body.length], [`"${hash}"`, FOREVER, undefined, 0])
  }
  t.is((await client.get(`/${hash}`, { 'if-none-match': '"x"' })).status, 200)
  t.is((await client.get(`/${hash}`, { 'if-match': '"x"' })).status, 412)
})

test('If-Range with the tag goes on, with anything else begins anew', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add('tea leaves')
  t.is((await client.get(`/${hash}`, { range: 'bytes=4-', 'if-range': `"${hash}"` })).body.toString(), 'leaves')
  for (const other of ['"x"', `W/"${hash}"`, 'Mon, 01 Jan 2035 00:00:00 GMT']) {
    const { status, body } = await client.get(`/${hash}`, { range: 'bytes=4-', 'if-range': other })
    t.deepEqual([status, body.toString()], [200, 'tea leaves'])
  }
})

test('only GET and HEAD are answered', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add('tea')
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const { status, headers } = await client.ask(method, `/${hash}`)
    t.deepEqual([status, headers.allow], [405, 'GET, HEAD'], method)
  }
})

test('what is not here is 404: unknown, partial, another path, a name within a plain blob', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add('tea')
  const partial = client.store.add('half')
  client.store.partial.add(partial)
  const root = client.store.addCollection({ 'a/b.txt': 'b', half: 'half' })
  const paths = ['/', '/favicon.ico', `/${'0'.repeat(64)}`, `/${partial}`, `/${hash}/`, `/${hash}/x`, `/${root}/x`, `/${root}/a/b`]
  for (const path of [...paths, `/${root}/a/b.txt/`, `/${root}/half`, `/${root}/a//`, `/${root}//a`]) {
    const { status, headers } = await client.get(path)
    t.deepEqual([status, headers['cache-control'], headers.etag], [404, 'no-store', undefined], path)
  }
  t.is((await client.ask('HEAD', '/')).body.length, 0)
})

test('a malformed address is 400', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add('tea')
  for (const path of [`/${hash}/%`, `/${hash}/%c3`, '/%zz', `/${hash}/a%`]) t.is((await client.get(path)).status, 400, path)
})

test('a stranger’s name that leads here is 421, unless it is one of ours', async (t) => {
  const client = await Client.start(t, { hosts: ['Tea.example'] })
  const hash = client.store.add('tea')
  t.is((await client.get(`/${hash}`, { host: 'evil.example' })).status, 421)
  t.is((await client.get(`/${hash}`, { host: 'tea.example:80' })).status, 200)
  t.is((await client.get(`/${hash}`, { host: 'localhost' })).status, 200)
  const open = await Client.start(t, { hosts: '*' })
  t.is((await open.get(`/${open.store.add('tea')}`, { host: 'evil.example' })).status, 200)
})

test('base32 names the same blob, under the same tag', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add('tea')
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  const bits = [...Buffer.from(hash, 'hex')]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .padEnd(260, '0')
  const base32 = (bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join('')
  const { status, headers, body } = await client.get(`/${base32}`)
  t.deepEqual([status, headers.etag, body.toString()], [200, `"${hash}"`, 'tea'])
})

const FILES = {
  'docs/tea.txt': 'sencha',
  'docs/old/über & <b>.html': '<script>1</script>',
  'pot.png': 'PNG',
  '../up': 'up',
  'docs/..': 'dots',
}

test('names within a collection are looked up, whatever they look like', async (t) => {
  const client = await Client.start(t)
  const root = client.store.addCollection(FILES)
  for (const [name, content] of Object.entries(FILES)) {
    const { status, body } = await client.get(`/${root}/${encodeURIComponent(name)}`)
    t.deepEqual([status, body.toString()], [200, content], name)
  }
  t.is((await client.get(`/${root}/docs/tea.txt`)).headers.etag, `"${client.store.add('sencha')}"`)
  // Sent as they are, dots are names and no way up.
  t.is((await client.get(`/${root}/../up`)).body.toString(), 'up')
  t.is((await client.get(`/${root}/docs/../pot.png`)).status, 404)
  t.is((await client.get(`/${root}/%2e%2e/%2e%2e/etc/passwd`)).status, 404)
  t.is((await client.get(`/${root}/docs%252ftea.txt`)).status, 404)
})

test('content is of the type its name says, and what could run is put in a sandbox', async (t) => {
  const client = await Client.start(t)
  const cases: ReadonlyArray<readonly [name: string, type: string, policy: string | undefined]> = [
    ['a.html', 'text/html; charset=utf-8', 'sandbox'],
    ['a.svg', 'image/svg+xml', 'sandbox'],
    ['a.xml', 'application/xml', 'sandbox'],
    ['a.js', 'text/javascript; charset=utf-8', 'sandbox'],
    ['a', 'application/octet-stream', 'sandbox'],
    ['a.png', 'image/png', undefined],
    ['a.mp4', 'video/mp4', undefined],
    ['a.txt', 'text/plain; charset=utf-8', undefined],
    ['a.pdf', 'application/pdf', undefined],
    ['a.json', 'application/json', undefined],
  ]
  const root = client.store.addCollection(Object.fromEntries(cases.map(([name]) => [name, name])))
  for (const [name, type, policy] of cases) {
    const { headers } = await client.get(`/${root}/${name}`)
    t.deepEqual([headers['content-type'], headers['content-security-policy']], [type, policy], name)
    t.is(headers['x-content-type-options'], 'nosniff')
  }
  const { headers } = await client.get(`/${client.store.add('tea')}?filename=${encodeURIComponent('a\r\nX: 1.PNG')}`)
  t.is(headers['content-type'], 'image/png')
})

test('the root of a collection is a page that lists it', async (t) => {
  const client = await Client.start(t)
  const root = client.store.addCollection(FILES)
  const { status, headers, body } = await client.get(`/${root}/`, { accept: 'text/html,*/*;q=0.8' })
  t.is(status, 200)
  t.is(headers['content-type'], 'text/html; charset=utf-8')
  t.regex(String(headers['content-security-policy']), /^default-src 'none';.*frame-ancestors 'none'$/)
  t.deepEqual([headers.vary, headers['x-content-type-options']], ['accept', 'nosniff'])
  const links = [...body.toString().matchAll(/<a href="([^"]*)">([^<]*)<\/a>/g)].map(([, href, text]) => [href, text])
  t.deepEqual(links, [
    ['./docs/', 'docs/'],
    ['./../', '../'],
    ['./pot.png', 'pot.png'],
  ])
})

test('a directory of a collection is listed too; links hold with and without a slash', async (t) => {
  const client = await Client.start(t)
  const root = client.store.addCollection(FILES)
  const links = async (path: string) =>
    [...(await client.get(path)).body.toString().matchAll(/href="([^"]*)"/g)].map(([, href]) => new URL(href!, `http://x${path}`).pathname)
  const name = encodeURIComponent('über & <b>.html')
  for (const path of [`/${root}/docs/old/`, `/${root}/docs/old`])
    t.deepEqual(await links(path), [`/${root}/docs/`, `/${root}/docs/old/${name}`])
  t.deepEqual(
    await links(`/${root}`),
    [`/${root}/docs/`, `/${root}/`, `/${root}/pot.png`].map((link, n) => (n === 1 ? '/' : link)),
  )
  const { body } = await client.get(`/${root}/docs/old/`)
  t.regex(body.toString(), /über &amp; &lt;b&gt;\.html/)
  t.notRegex(body.toString(), /<b>/)
})

test('the same as JSON for whoever accepts it, under a tag of its own', async (t) => {
  const client = await Client.start(t)
  const root = client.store.addCollection(FILES)
  const html = await client.get(`/${root}`)
  const json = await client.get(`/${root}`, { accept: 'application/json' })
  t.is(json.headers['content-type'], 'application/json')
  t.not(json.headers.etag, html.headers.etag)
  t.deepEqual(JSON.parse(json.body.toString()), {
    hash: root,
    directory: '',
    entries: Object.entries(FILES).map(([name, text]) => ({ name, hash: client.store.add(text), size: Buffer.byteLength(text) })),
  })
  const docs = JSON.parse((await client.get(`/${root}/docs`, { accept: 'application/json' })).body.toString())
  t.is(docs.directory, 'docs')
  t.is(docs.entries.length, 3)
  t.is((await client.get(`/${root}`, { accept: 'application/json', 'if-none-match': String(json.headers.etag) })).status, 304)
  t.is((await client.get(`/${root}`, { 'if-none-match': String(json.headers.etag) })).status, 200)
  const head = await client.ask('HEAD', `/${root}`)
  t.deepEqual([head.status, head.body.length, head.headers.etag], [200, 0, html.headers.etag])
})

test('a collection is read once, however many of its files are asked for', async (t) => {
  const client = await Client.start(t)
  const root = client.store.addCollection(FILES)
  for (let n = 0; n < 5; n++) t.is((await client.get(`/${root}/pot.png`)).status, 200)
  t.is(client.store.collectionsRead, 1)
})

test('a collection of more entries than allowed is bytes, and so is a blob that only has such a length', async (t) => {
  const client = await Client.start(t, { maxEntries: 2 })
  const long = client.store.addCollection({ a: '1', b: '2', c: '3' })
  const { headers, body } = await client.get(`/${long}`)
  t.deepEqual([headers['content-type'], body.length], ['application/octet-stream', 128])
  t.is((await client.get(`/${long}/a`)).status, 404)
  t.is(client.store.collectionsRead, 0)
  const plain = client.store.add(pattern(64))
  t.deepEqual((await client.get(`/${plain}`)).body, Buffer.from(pattern(64)))
})

test('a blob that is gone or corrupt from its first byte on is a status, and the store is told of', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add(pattern(50_000))
  client.store.corrupt.set(hash, 0)
  for (const range of [undefined, 'bytes=0-9', 'bytes=0-9,20-29']) {
    const { status, headers, body } = await client.get(`/${hash}`, range === undefined ? {} : { range })
    t.deepEqual([status, headers.etag, body.toString()], [500, undefined, 'The blob cannot be read.\n'])
  }
  t.is(client.errors.length, 3)
  t.true(client.errors.every((error) => GaiwanError.is(error, 'BLOB_CORRUPT')))
  for (const [code, status] of [
    ['STORE_FAILED', 500],
    ['STORE_BUSY', 503],
    ['STORE_CLOSED', 503],
    ['BLOB_NOT_FOUND', 404],
  ] as const) {
    client.store.broken.set(hash, new GaiwanError(code, 'for the test'))
    t.is((await client.get(`/${hash}`)).status, status, code)
  }
})

for (const [title, range] of [
  ['the whole', undefined],
  ['a range', 'bytes=1-499998'],
  ['a multipart answer', 'bytes=0-99,1000-499999'],
] as const) {
  test(`corruption in the middle of ${title} destroys the connection: the end never looks clean`, async (t) => {
    const client = await Client.start(t)
    const hash = client.store.add(pattern(500_000))
    client.store.corrupt.set(hash, 300_000)
    await t.throwsAsync(client.get(`/${hash}`, range === undefined ? {} : { range }), { code: 'ECONNRESET' })
    t.true(GaiwanError.is(client.errors[0], 'BLOB_CORRUPT'))
    t.is(client.errors.length, 1)
  })
}

test('HTTP/1.0 clients, who take the close for the end, are cut off by a length as well', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.add(pattern(500_000))
  client.store.corrupt.set(hash, 300_000)
  const socket = connect(client.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`GET /${hash} HTTP/1.0\r\n\r\n`)
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
  })
  await once(socket, 'close')
  t.regex(text, /content-length: 500000\r\n/i)
  t.true(text.length < 500_000)
})

for (const lie of [-10, 10]) {
  test(`a store that gives ${lie} bytes is not believed`, async (t) => {
    const client = await Client.start(t)
    const hash = client.store.add(pattern(100_000))
    client.store.lies.set(hash, lie)
    await t.throwsAsync(client.get(`/${hash}`), { code: 'ECONNRESET' })
    t.is(client.errors.length, 1)
  })
}

/** A request whose answer is not read. */
async function unread(port: number, path: string): Promise<{ asking: ClientRequest; response: IncomingMessage }> {
  const asking = request({ host: '127.0.0.1', port, path, agent: false })
  asking.on('error', () => {})
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  return { asking, response }
}

/** Resolves when an answer is over, also when it broke off. */
function closed(response: IncomingMessage): Promise<void> {
  return new Promise((resolve) => response.once('close', resolve))
}

test('a client that does not read holds the store, and one that leaves ends the read without an error', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.addVirtual(4 * 2 ** 30)
  const { asking } = await unread(client.port, `/${hash}`)
  const [read] = client.store.reads
  // Until a turn of some hundred rounds of the event loop brings nothing more.
  for (let still = 0, given = -1; still < 300; still++) {
    await new Promise(setImmediate)
    if (read!.given !== given) still = 0
    given = read!.given
  }
  t.true(read!.given < 64 * 2 ** 20, `${read!.given} bytes were read ahead`)
  t.false(read!.over)
  asking.destroy()
  await until(() => read!.over)
  t.deepEqual(client.errors, [])
})

test('a client that leaves in the middle ends the read, while others go on', async (t) => {
  const client = await Client.start(t)
  const hash = client.store.addVirtual(2 ** 30)
  const small = client.store.add('tea')
  const { asking, response } = await unread(client.port, `/${hash}`)
  response.once('data', () => asking.destroy())
  await until(() => client.store.reads[0]!.over)
  t.is((await client.get(`/${small}`)).body.toString(), 'tea')
  t.deepEqual(client.errors, [])
})

test('connections are kept: two answers over one', async (t) => {
  const client = await Client.start(t)
  const [a, b] = [client.store.add('one'), client.store.add('two')]
  const socket = connect(client.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
  })
  socket.write(`GET /${a} HTTP/1.1\r\nHost: localhost\r\n\r\nGET /${b} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=1-\r\n\r\n`)
  await until(() => text.endsWith('wo'))
  t.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 206'])
})

test('an onError that throws is no crash', async (t) => {
  const client = await Client.start(t, {
    onError: () => {
      throw new Error('for the test')
    },
  })
  const hash = client.store.add('tea')
  client.store.corrupt.set(hash, 0)
  t.is((await client.get(`/${hash}`)).status, 500)
})

test('serve listens on loopback, says where, and closes with answers under way', async (t) => {
  const store = new MemoryStore()
  const hash = store.add('tea')
  const gateway = await serve(store)
  t.is(gateway.host, '127.0.0.1')
  t.is(gateway.url, `http://127.0.0.1:${gateway.port}`)
  t.is((await ask(gateway.port, 'GET', `/${hash}`)).body.toString(), 'tea')
  t.is((await ask(gateway.port, 'GET', `/${hash}`, { host: 'evil.example' })).status, 421)
  const { response } = await unread(gateway.port, `/${store.addVirtual(2 ** 30)}`)
  const ended = closed(response)
  await Promise.all([gateway.close(), gateway.close(), ended])
  t.true(store.reads.every(({ over }) => over))
  await t.throwsAsync(ask(gateway.port, 'GET', `/${hash}`), { code: 'ECONNREFUSED' })
})

test('serve drops a client that is silent, also one that does not read', async (t) => {
  const store = new MemoryStore()
  // Longer than this process may stand still between its connection and its request.
  await using gateway = await serve(store, { idleTimeoutMs: 2_000 })
  const { response } = await unread(gateway.port, `/${store.addVirtual(2 ** 30)}`)
  const ended = closed(response)
  await until(() => store.reads[0]?.over === true)
  response.resume()
  await ended
  t.false(response.complete)
})

test('serve rejects with what listening fails with', async (t) => {
  const store = new MemoryStore()
  await using gateway = await serve(store)
  await t.throwsAsync(serve(store, { port: gateway.port }), { code: 'EADDRINUSE' })
})

test('wrong options throw before anything is served', (t) => {
  const store = new MemoryStore()
  t.throws(() => createHandler(store, { maxRanges: -1 }), { instanceOf: RangeError })
  t.throws(() => createHandler(store, { maxEntries: 1.5 }), { instanceOf: RangeError })
  t.throws(() => createHandler(store, { hosts: 'tea.example' as never }), { instanceOf: TypeError })
  t.throws(() => createHandler(store, { onError: 1 as never }), { instanceOf: TypeError })
})
