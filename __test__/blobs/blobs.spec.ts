// Serving and fetching over endpoints.
import test from 'ava'
import type { DownloadProgress, ProviderEvent, RequestKind } from '../../ts/blobs/index.js'
import { GaiwanError } from '../../ts/index.js'
import { until } from '../helpers/store.js'
import { getter, memory, pattern251, provider, whole } from './network.js'

const code = (error: unknown) => (GaiwanError.is(error) ? error.code : error)

test('a ticket brings a blob, and a second time nothing moves', async (t) => {
  const [from, to] = [await provider(t), await getter(t)]
  for (const size of [0, 1, 1_024, 16_384, 16_385, 1_000_000]) {
    const { hash } = await from.store.add(pattern251(size))
    const result = await to.blobs.download(from.blobs.ticket(hash))
    t.like(result, { hash, size, format: 'raw', localBytes: 0 })
    t.deepEqual(new Uint8Array(await to.store.get(hash)), pattern251(size))
    const again = await to.blobs.download(from.blobs.ticket(hash))
    t.is(again.localBytes, size)
    t.is(again.stats.payloadBytesRead, 0)
  }
})

test('a collection comes with its files, tells how it goes, and is kept by a tag', async (t) => {
  const [from, to] = [await provider(t), await getter(t)]
  const files = Array.from({ length: 50 }, (_, n) => ({ name: `folder/${n}`, bytes: pattern251(n * 1_000) }))
  const entries = await Promise.all(files.map(async ({ name, bytes }) => ({ name, hash: (await from.store.add(bytes)).hash })))
  const { hash } = await from.store.createCollection(entries)
  const download = to.blobs.download(from.blobs.ticket(hash, 'hashSeq'), { tag: 'mine' })
  const events: DownloadProgress[] = []
  for await (const event of download) events.push(event)
  const result = await download
  t.is(result.format, 'hashSeq')
  const steps = events.filter(({ type }) => type === 'connecting' || type === 'connected')
  t.deepEqual(steps, [
    { type: 'connecting', provider: from.endpoint.id },
    { type: 'connected', provider: from.endpoint.id },
  ])
  t.deepEqual(events.at(-1), { type: 'done', result })
  // The empty file is always here.
  t.is(events.filter(({ type }) => type === 'blobDone').length, 1 + 1 + 49)
  t.is((await to.store.tags.get('mine'))?.hash, hash)
  t.is((await to.store.gc()).deleted, 0)
  const names = (await to.store.collection(hash)).map(({ name }) => name)
  t.deepEqual(
    names,
    files.map(({ name }) => name),
  )
  for (const { name, bytes } of files) {
    const entry = (await to.store.collection(hash)).find((one) => one.name === name)
    t.deepEqual(new Uint8Array(await to.store.get(entry?.hash ?? '')), bytes)
  }
})

test('ranges bring whole groups of a blob and nothing else', async (t) => {
  const [from, to] = [await provider(t), await getter(t)]
  const { hash } = await from.store.add(pattern251(200_000))
  const source = { hash, providers: [from.endpoint.addr] }
  await to.blobs.download(source, { ranges: [{ start: 20_000, end: 20_001 }, { start: 199_999 }], tag: null })
  const status = await to.store.status(hash)
  t.like(status, { state: 'partial', size: 200_000, sizeVerified: true })
  t.deepEqual(status.state === 'partial' && status.ranges, [
    { start: 16_384, end: 32_768 },
    { start: 196_608, end: 200_000 },
  ])
  t.deepEqual(await whole(to.store.read(hash, { start: 20_000, end: 21_000 })), pattern251(200_000).subarray(20_000, 21_000))
  const local = await to.blobs.local({ hash })
  t.deepEqual(local, { isComplete: false, localBytes: 16_384 + 3_392, missing: [hash] })
  const { localBytes, stats } = await to.blobs.download(source)
  t.is(localBytes, 16_384 + 3_392)
  t.is(stats.payloadBytesRead, 200_000 - localBytes)
})

test('past the store: bytes of a range, a proven size, what a provider has', async (t) => {
  const [from, to] = [await provider(t), await getter(t)]
  const bytes = pattern251(3_000_000)
  const { hash } = await from.store.add(bytes)
  t.is(await to.blobs.size(from.endpoint.addr, hash), bytes.length)
  t.deepEqual(await whole(to.blobs.stream(from.endpoint.addr, hash, { start: 1_000, end: 2_500_000 })), bytes.subarray(1_000, 2_500_000))
  for await (const field of to.blobs.observe(from.endpoint.addr, hash)) {
    t.deepEqual(field, { size: bytes.length, sizeVerified: true, isComplete: true, ranges: [{ start: 0, end: bytes.length }] })
    break
  }
  const connection = await to.endpoint.connect(from.endpoint.addr, '/iroh-bytes/4')
  for await (const piece of to.blobs.stream(connection, hash)) {
    t.true(piece.length > 0)
    break
  }
  t.is(await to.blobs.size(connection, hash), bytes.length)
  t.deepEqual(await to.store.list()[Symbol.asyncIterator]().next(), { value: undefined, done: true })
})

test('what nobody has is BLOB_NOT_FOUND, and without a provider it is NO_PROVIDER', async (t) => {
  const [from, to] = [await provider(t), await getter(t)]
  const hash = '11'.repeat(32)
  t.is(code(await t.throwsAsync(async () => to.blobs.download({ hash, providers: [from.endpoint.addr] }))), 'BLOB_NOT_FOUND')
  t.is(code(await t.throwsAsync(async () => to.blobs.download({ hash, providers: [] }))), 'NO_PROVIDER')
  const download = to.blobs.download({ hash, providers: [from.endpoint.addr] })
  const iterated = await t.throwsAsync(async () => {
    for await (const event of download) t.not(event.type, 'done')
  })
  t.is(code(iterated), 'BLOB_NOT_FOUND')
})

test('the next provider is asked when one fails', async (t) => {
  const [empty, from, to] = [await provider(t), await provider(t), await getter(t)]
  const { hash } = await from.store.add(pattern251(100_000))
  const nobody = await getter(t)
  await nobody.endpoint.close()
  const providers = [{ id: nobody.endpoint.id, addresses: ['127.0.0.1:1'] }, empty.endpoint.addr, from.endpoint.addr]
  for (const split of [false, true]) {
    const fresh = await getter(t)
    const { size } = await fresh.blobs.download({ hash, providers }, { split })
    t.is(size, 100_000)
  }
  async function* found() {
    yield* providers.slice(1)
  }
  t.is((await to.blobs.download({ hash, providers: found() })).size, 100_000)
})

test('an abort and a cancel end a download with their reason, and so does leaving the loop', async (t) => {
  const [from, to] = [await provider(t, { limits: { maxUploadRate: 200_000 } }), await getter(t)]
  const { hash } = await from.store.add(pattern251(20_000_000))
  const abort = new AbortController()
  const aborted = to.blobs.download(from.blobs.ticket(hash), { signal: abort.signal })
  for await (const event of aborted) {
    if (event.type === 'progress' && event.bytes > 0) break
  }
  t.is(((await t.throwsAsync(async () => aborted, { any: true })) as DOMException).name, 'AbortError')
  const second = to.blobs.download(from.blobs.ticket(hash), { signal: abort.signal })
  abort.abort(new Error('enough'))
  t.is((await t.throwsAsync(async () => second))?.message, 'enough')
  t.is((await to.store.status(hash)).state, 'partial')
  // What was verified is stored a moment after the abort, and held as long as that takes.
  await until(async () => (await to.store.tags.temporary()).length === 0)
})

test('authorize is asked once a request; a no, a throw and silence are code 1', async (t) => {
  const asked: [string, string, RequestKind][] = []
  let answer: () => boolean | Promise<boolean> = () => true
  const from = await provider(t, {
    authorize: (remoteId, hash, request) => {
      asked.push([remoteId, hash, request])
      return answer()
    },
  })
  const to = await getter(t)
  const { hash } = await from.store.add(pattern251(10))
  await to.blobs.download(from.blobs.ticket(hash))
  t.deepEqual(asked, [[to.endpoint.id, hash, 'get']])
  const other = (await from.store.add(pattern251(11))).hash
  from.endpoint.on?.('handlerError', () => {})
  for (const no of [
    () => false,
    () => Promise.reject(new Error('no')),
    () => {
      throw new Error('no')
    },
  ]) {
    answer = no
    const error = await t.throwsAsync(async () => to.blobs.download(from.blobs.ticket(other)))
    t.is(code(error), 'PROVIDER_REFUSED')
    t.is((error as GaiwanError).applicationCode, 1n)
  }
  t.is(from.blobs.metrics().requests_refused, 3)
})

test('events tell of a request from its start to its end', async (t) => {
  const events: ProviderEvent[] = []
  let done: () => void
  const completed = new Promise<void>((resolve) => {
    done = resolve
  })
  const from = await provider(t, {
    onEvent: (event) => {
      events.push(event)
      if (event.type === 'completed') done()
    },
  })
  const to = await getter(t)
  const { hash } = await from.store.add(pattern251(1_000_000))
  await to.blobs.download(from.blobs.ticket(hash))
  await completed
  t.deepEqual([...new Set(events.map(({ type }) => type))].slice(0, 4), ['connected', 'request', 'started', 'progress'])
  const [, request, started] = events
  t.like(request, { type: 'request', request: 'get', hash, remoteId: to.endpoint.id })
  t.like(started, { type: 'started', index: 0, hash, size: 1_000_000 })
  const end = events.find(({ type }) => type === 'completed')
  t.is(end?.type === 'completed' && end.stats.payloadBytesWritten, 1_000_000)
})

test('a push is refused by default, and where it is allowed it is stored', async (t) => {
  const [mine, closed, open] = [await getter(t), await provider(t), await provider(t, { allow: { push: true } })]
  const files = await Promise.all([10, 100_000].map(async (n) => ({ name: `${n}`, hash: (await mine.store.add(pattern251(n))).hash })))
  const { hash } = await mine.store.createCollection(files)
  t.is(code(await t.throwsAsync(mine.blobs.push(closed.endpoint.addr, hash, { format: 'hashSeq' }))), 'PROVIDER_REFUSED')
  await mine.blobs.push(open.endpoint.addr, hash, { format: 'hashSeq', confirm: true })
  t.true(await open.store.has(hash))
  for (const file of files) t.true(await open.store.has(file.hash))
})

test('a provider serves no more than it is told, and its limit of connections has code 2', async (t) => {
  const from = await provider(t, { allow: { observe: false }, limits: { maxConnectionsPerPeer: 1 } })
  const to = await getter(t)
  const { hash } = await from.store.add(pattern251(10))
  const first = await to.endpoint.connect(from.endpoint.addr, '/iroh-bytes/4')
  t.is(await to.blobs.size(first, hash), 10)
  const refused = await t.throwsAsync(async () => {
    for await (const field of to.blobs.observe(from.endpoint.addr, hash)) t.fail(JSON.stringify(field))
  })
  t.true(['PROVIDER_REFUSED', 'CONNECTION_CLOSED'].includes(String(code(refused))))
  const second = await to.endpoint.connect(from.endpoint.addr, '/iroh-bytes/4')
  const { by, code: closeCode } = (await second.closed) as { by: string; code?: bigint }
  t.deepEqual([by, closeCode], ['remote', 2n])
})

test('wrong arguments are told before anything crosses', async (t) => {
  const { blobs, endpoint } = await getter(t)
  const hash = '11'.repeat(32)
  t.throws(() => blobs.download('blobnonsense'), { instanceOf: TypeError })
  t.throws(() => blobs.download({ hash: 'zz', providers: [] }), { instanceOf: TypeError })
  t.throws(() => blobs.download({ hash, providers: 7 as never }), { instanceOf: TypeError, message: /providers/ })
  t.throws(() => blobs.download({ hash, providers: [] }, { ranges: [{ start: -1 }] }), {
    instanceOf: RangeError,
    message: /ranges\[0\]\.start/,
  })
  t.throws(() => blobs.download({ hash, providers: [] }, { stallTimeoutMs: 0 }), { instanceOf: RangeError, message: /stallTimeoutMs/ })
  t.throws(() => blobs.ticket(hash, 'zip' as never), { instanceOf: TypeError, message: /format/ })
  await t.throwsAsync(async () => blobs.download({ hash, providers: ['not an id'] }), { instanceOf: TypeError })
  const store = memory(t)
  await store.close()
  await t.throwsAsync(async () => blobs.size(endpoint.addr, hash))
})
