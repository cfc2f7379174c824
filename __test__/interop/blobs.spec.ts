// Blobs against iroh-blobs 0.104, in both directions.
import test, { type ExecutionContext } from 'ava'
import { hash as blake3, type BlobStore } from '../../ts/blobs/index.js'
import { GaiwanError } from '../../ts/index.js'
import { type Side, getter, pattern251, provider, whole } from '../blobs/network.js'
import { Peer } from './peer.js'

type Test = ExecutionContext<unknown>

const ALPN = '/iroh-bytes/4'
/** Around every limit of the format, and larger than what goes into a catalog. */
const SIZES = [0, 1, 1_023, 1_024, 1_025, 16_383, 16_384, 16_385, 1_048_576, 8_388_608]
const GROUP = 16
const CHUNK = 1_024

/** A store and an endpoint of the reference. */
class Iroh {
  readonly peer: Peer
  readonly store: number
  readonly endpoint: number
  readonly addr: { id: string; addresses: string[] }

  private constructor(peer: Peer, store: number, endpoint: { endpoint: number; id: string; address: string }) {
    this.peer = peer
    this.store = store
    this.endpoint = endpoint.endpoint
    this.addr = { id: endpoint.id, addresses: [endpoint.address] }
  }

  static async start(t: Test): Promise<Iroh> {
    const peer = await Peer.start(t)
    const { store } = await peer.call<{ store: number }>('blobsOpen')
    const endpoint = await peer.call<{ endpoint: number; id: string; address: string }>('bind', { secretKey: null, alpns: [ALPN], port: 0 })
    return new Iroh(peer, store, endpoint)
  }

  /** Serves its store. */
  async serve(policy: object = {}): Promise<void> {
    await this.peer.call('blobsServe', { endpoint: this.endpoint, store: this.store, policy })
  }

  async add(size: number): Promise<string> {
    return (await this.call<{ hash: string }>('blobsAdd', { content: { pattern: size } })).hash
  }

  /** The first `size` bytes of the pattern, of which only `chunks` come in. */
  async addPart(size: number, chunks: number[]): Promise<string> {
    return (await this.call<{ hash: string }>('blobsImport', { content: { pattern: size }, chunks })).hash
  }

  async connect(to: Side): Promise<number> {
    const { id, addresses = [] } = to.endpoint.addr
    const dial = { endpoint: this.endpoint, remoteId: id, addresses, alpns: [ALPN], timeoutMs: 60_000, early: false }
    return (await this.peer.call<{ connection: number }>('connect', dial)).connection
  }

  async fetch(connection: number, hash: string, format = 'raw'): Promise<unknown> {
    return this.call('blobsFetch', { connection, hash, format })
  }

  async get(connection: number, hash: string, ranges: unknown): Promise<unknown> {
    return this.call('blobsExecuteGet', { connection, hash, ranges })
  }

  /** The hash of what it reads, and how much that is. */
  async read(hash: string, chunks?: number[]): Promise<{ bytes: number; hash: string }> {
    return this.call('blobsGet', { hash, ...(chunks && { chunks }) })
  }

  async call<T>(command: string, args: object = {}): Promise<T> {
    return this.peer.call<T>(command, { store: this.store, ...args })
  }
}

/** Numbers from a seed (mulberry32), so that a failure comes again. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Rising boundaries of one to three ranges within a blob and a little past its end. */
function someChunks(next: (below: number) => number, size: number): number[] {
  const count = Math.ceil(size / CHUNK) + 3
  const boundaries = new Set(Array.from({ length: 2 + next(4) }, () => next(count + 1)))
  return [...boundaries].sort((a, b) => a - b)
}

/** Has what the reference has. */
async function holds(t: Test, store: BlobStore, size: number): Promise<void> {
  const bytes = pattern251(size)
  t.is(blake3(await store.get(blake3(bytes))), blake3(bytes))
}

test('gaiwan fetches blobs of every size from iroh, and iroh from gaiwan', async (t) => {
  const [iroh, from, to] = [await Iroh.start(t), await provider(t), await getter(t)]
  await iroh.serve()
  const other = await Iroh.start(t)
  const connection = await other.connect(from)
  for (const size of SIZES) {
    const hash = await iroh.add(size)
    const result = await to.blobs.download({ hash, providers: [iroh.addr] })
    t.is(result.size, size)
    await holds(t, to.store, size)
    t.is((await from.store.add(pattern251(size))).hash, hash)
    await other.fetch(connection, hash)
    t.deepEqual(await other.read(hash), { bytes: size, hash })
  }
})

test('random ranges arrive whichever side serves', async (t) => {
  const [iroh, from, to] = [await Iroh.start(t), await provider(t), await getter(t)]
  await iroh.serve()
  const asking = await Iroh.start(t)
  const connection = await asking.connect(from)
  const next = random(7)
  const theirs = await to.endpoint.connect(iroh.addr, ALPN)
  for (const size of SIZES) {
    const bytes = pattern251(size)
    const hash = await iroh.add(size)
    await from.store.add(bytes)
    for (let round = 0; round < 4; round++) {
      // The reference takes any chunks of ours.
      const chunks = someChunks(next, size)
      await asking.get(connection, hash, { only: [chunks] })
      // Ours asks for bytes, and checks each.
      const [start, end] = [next(size + 1), next(size + 2)].sort((a, b) => a - b) as [number, number]
      t.is(blake3(await whole(to.blobs.stream(theirs, hash, { start, end }))), blake3(bytes.subarray(start, end)))
    }
    await asking.fetch(connection, hash)
    t.deepEqual(await asking.read(hash), { bytes: size, hash })
    t.is(await to.blobs.size(theirs, hash), size)
  }
})

test('hash sequences of 0, 1, 31, 32, 33 and 1,000 children arrive both ways', async (t) => {
  const [iroh, from, to] = [await Iroh.start(t), await provider(t), await getter(t)]
  await iroh.serve()
  const asking = await Iroh.start(t)
  const connection = await asking.connect(from)
  for (const count of [0, 1, 31, 32, 33, 1_000]) {
    const files = Array.from({ length: count }, (_, n) => ({ name: `${count}/${n}`, content: { pattern: n * 37 } }))
    const { hash } = await iroh.call<{ hash: string }>('blobsAddCollection', { files })
    const result = await to.blobs.download({ hash, format: 'hashSeq', providers: [iroh.addr] })
    t.is(result.size, 32 * (count + 1))
    const entries = await to.store.collection(hash)
    t.deepEqual(
      entries.map(({ name }) => name),
      files.map(({ name }) => name),
    )
    t.deepEqual(
      entries.map(({ size }) => size),
      files.map(({ content }) => content.pattern),
    )

    const ours = await Promise.all(
      files.map(async ({ name, content }) => ({ name, hash: (await from.store.add(pattern251(content.pattern), { tag: null })).hash })),
    )
    t.is((await from.store.createCollection(ours)).hash, hash, 'both make the same collection')
    await asking.fetch(connection, hash, 'hashSeq')
    const named = await asking.call<{ name: string; hash: string }[]>('blobsCollection', { hash })
    t.deepEqual(named, ours)
    for (const { hash: child } of ours.slice(0, 40)) t.is((await asking.read(child)).hash, child)
  }
})

test('a partial blob serves what it has, and ends cleanly where it has no more', async (t) => {
  const size = 500_000
  const bytes = pattern251(size)
  const hash = blake3(bytes)
  const [iroh, to] = [await Iroh.start(t), await getter(t)]
  t.is(await iroh.addPart(size, [0, 4 * GROUP, 10 * GROUP, 12 * GROUP]), hash)
  await iroh.serve()
  const error = await t.throwsAsync(async () => to.blobs.download({ hash, providers: [iroh.addr] }), { instanceOf: GaiwanError })
  t.true(['PROVIDER_FAILED', 'BLOB_NOT_FOUND'].includes(error?.code ?? ''), error?.code)
  const part = await to.blobs.download({ hash, providers: [iroh.addr] }, { ranges: [{ start: 0, end: 65_536 }], tag: 'part' })
  t.is(part.hash, hash)
  const status = await to.store.status(hash)
  t.deepEqual(status.state === 'partial' && status.ranges[0], { start: 0, end: 65_536 })

  // Now ours is the partial one.
  const from = await provider(t, {}, to.store)
  const asking = await Iroh.start(t)
  const connection = await asking.connect(from)
  const failed = await t.throwsAsync(asking.fetch(connection, hash))
  t.regex(String(failed?.message), /not-found/)
  const kept = async () => (await asking.call<{ boundaries: string[] }>('blobsBitfield', { hash })).boundaries
  // The reference writes the last of it behind the failure.
  let boundaries = await kept()
  while (Number(boundaries[1] ?? 0) < 4 * GROUP) boundaries = await kept()
  t.deepEqual(boundaries, ['0', '64'], 'what arrived before the end stays')
})

test('a push is refused by default on both sides and stored where it is allowed', async (t) => {
  const [iroh, mine] = [await Iroh.start(t), await getter(t)]
  await iroh.serve({ push: 'allow' })
  const { hash } = await mine.store.add(pattern251(300_000))
  await mine.blobs.push(iroh.addr, hash, { confirm: true })
  t.deepEqual(await iroh.read(hash), { bytes: 300_000, hash })
  const closed = await Iroh.start(t)
  await closed.serve()
  t.is((await t.throwsAsync(mine.blobs.push(closed.addr, hash), { instanceOf: GaiwanError }))?.code, 'PROVIDER_REFUSED')

  const [open, shut] = [await provider(t, { allow: { push: true } }), await provider(t)]
  const pushing = await Iroh.start(t)
  const pushed = await pushing.add(200_000)
  await pushing.call('blobsPush', { connection: await pushing.connect(open), hash: pushed, ranges: 'blob' })
  for await (const { isComplete } of open.store.observe(pushed)) if (isComplete) break
  await holds(t, open.store, 200_000)
  await pushing.call('blobsPush', { connection: await pushing.connect(shut), hash: pushed, ranges: 'blob' }).catch(() => {})
  t.is((await shut.store.status(pushed)).state, 'absent')
})

test('each sees what the other has, and how it grows', async (t) => {
  const size = 500_000
  const bytes = pattern251(size)
  const hash = blake3(bytes)
  const [iroh, to] = [await Iroh.start(t), await getter(t)]
  await iroh.addPart(size, [0, 2 * GROUP])
  await iroh.serve()
  const seen = to.blobs.observe(iroh.addr, hash)[Symbol.asyncIterator]()
  const first = await seen.next()
  t.deepEqual(first.value?.ranges, [{ start: 0, end: 32_768 }])
  await iroh.add(size)
  for (let now = await seen.next(); !now.value?.isComplete; now = await seen.next()) t.false(now.done)
  await seen.return?.()

  const from = await provider(t)
  const asking = await Iroh.start(t)
  const connection = await asking.connect(from)
  const { observation } = await asking.peer.call<{ observation: number }>('blobsObserve', { connection, hash })
  const frame = () => asking.peer.call<{ boundaries: string[]; complete: boolean }>('blobsObserved', { observation })
  t.deepEqual((await frame()).boundaries, [])
  await from.store.add(bytes)
  t.true((await frame()).complete)
})

test('a transfer that is cut at any point goes on where it was', async (t) => {
  const size = 4_000_000
  const next = random(11)
  const iroh = await Iroh.start(t)
  const hash = await iroh.add(size)
  const to = await getter(t)
  await iroh.serve()
  let before = 0
  for (let round = 0; round < 5; round++) {
    const stop = before + 1 + next(600_000)
    const download = to.blobs.download({ hash, providers: [iroh.addr] })
    for await (const event of download) if (event.type === 'progress' && event.bytes > stop) break
    const { localBytes, isComplete } = await to.blobs.local({ hash })
    t.true(localBytes >= before, 'nothing that was verified is lost')
    before = localBytes
    if (isComplete) break
  }
  const { stats, localBytes } = await to.blobs.download({ hash, providers: [iroh.addr] })
  t.is(stats.payloadBytesRead + localBytes, size)
  await holds(t, to.store, size)
})

test('permission and limit of a hook have their codes on both sides', async (t) => {
  const to = await getter(t)
  for (const [verdict, code] of [
    ['permission', 'PROVIDER_REFUSED'],
    ['limit', 'PROVIDER_BUSY'],
  ] as const) {
    const iroh = await Iroh.start(t)
    await iroh.serve({ get: verdict })
    const hash = await iroh.add(10)
    const connection = await to.endpoint.connect(iroh.addr, ALPN)
    t.is((await t.throwsAsync(to.blobs.size(connection, hash), { instanceOf: GaiwanError }))?.code, code)
  }
  const from = await provider(t, { authorize: () => false })
  const { hash } = await from.store.add(pattern251(10))
  const asking = await Iroh.start(t)
  const refused = await t.throwsAsync(asking.fetch(await asking.connect(from), hash))
  t.regex(String(refused?.message), /stream-reset 1/)
})

test('tickets are the same text', async (t) => {
  const [iroh, from] = [await Iroh.start(t), await provider(t)]
  const { hash } = await from.store.add('tea')
  for (const format of ['raw', 'hashSeq'] as const) {
    const ticket = from.blobs.ticket(hash, format)
    const parsed = await iroh.peer.call<{ remoteId: string; addresses: string[]; hash: string; format: string }>('blobsParseTicket', {
      ticket,
    })
    t.like(parsed, { remoteId: from.endpoint.id, hash, format })
    const { remoteId, addresses } = parsed
    t.is((await iroh.peer.call<{ ticket: string }>('blobsTicket', { remoteId, addresses, hash, format })).ticket, ticket)
  }
})
