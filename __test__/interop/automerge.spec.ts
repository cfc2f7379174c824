// One-shot sync of a document with the loop of iroh-examples' iroh-automerge on automerge 0.7, both roles.
import { change, type Doc, from, getHeads, init } from '@automerge/automerge'
import ava, { type ExecutionContext } from 'ava'
import { createHash, randomBytes } from 'node:crypto'
import { AutomergeSync, DOCUMENT_ALPN, type DocumentSyncOptions, syncDocument, type SyncReport } from '../../ts/automerge/index.js'
import { type Endpoint, type EndpointId, GaiwanError, Router } from '../../ts/index.js'
import { bind } from '../helpers/pair.js'
import { dialAndSync, PeerDocument, PeerSync } from './automerge-peer.js'
import { DIALERS, type Dialer, says } from './meeting.js'
import { Peer, PeerError } from './peer.js'

type Test = ExecutionContext<unknown>
type Notes = Record<string, unknown>

/** One after the other: Automerge keeps this thread busy, and all at once would wait for each other longer than sessions do. */
const test = ava.serial

/** A document of ours that others may sync with. */
interface Shelf {
  readonly endpoint: Endpoint
  readonly sync: AutomergeSync<Notes>
  doc: Doc<Notes>
  /** How often a peer changed it. */
  sets: number
}

async function shelf(t: Test, doc: Doc<Notes>, options?: DocumentSyncOptions): Promise<Shelf> {
  const endpoint = await bind(t)
  const handle = {
    get: () => it.doc,
    set: (next: Doc<Notes>) => {
      it.doc = next
      it.sets++
    },
  }
  const it: Shelf = { endpoint, sync: new AutomergeSync<Notes>(handle, { timeoutMs: 240_000, ...options }), doc, sets: 0 }
  const router = Router.builder(endpoint).accept(DOCUMENT_ALPN, it.sync).spawn()
  t.teardown(() => router.shutdown())
  return it
}

function synced({ sync }: Shelf): Promise<SyncReport> {
  return new Promise((resolve) => sync.on('synced', resolve))
}

/** One session; what both sides say of it. */
async function meet(peer: Peer, dialer: Dialer, ours: Shelf, theirs: PeerDocument): Promise<{ report: SyncReport; rounds: number }> {
  if (dialer === 'iroh') {
    const [report, rounds] = await Promise.all([
      synced(ours),
      dialAndSync(peer, await peer.bind(), ours.endpoint.addr, DOCUMENT_ALPN, theirs),
    ])
    return { report, rounds }
  }
  const served = await PeerSync.serve(peer, theirs)
  const done = synced(ours)
  await ours.sync.sync({ endpoint: ours.endpoint, to: served.addr })
  const [report, { rounds, remoteId }] = await Promise.all([done, served.served()])
  if (remoteId !== ours.endpoint.id) throw new Error(`the peer synced with ${remoteId}`)
  return { report, rounds }
}

/** `count` keys, in one change or in one each: as `PeerDocument.fill`. */
function fill(doc: Doc<Notes>, prefix: string, count: number, apart = false): Doc<Notes> {
  const keys = Object.entries(filled(prefix, count))
  if (!apart) return count === 0 ? doc : change(doc, (draft) => void Object.assign(draft, Object.fromEntries(keys)))
  return keys.reduce((now, [key, value]) => change(now, (draft) => void Object.assign(draft, { [key]: value })), doc)
}

function filled(prefix: string, count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`${prefix}${n}`, `${prefix}value ${n}`]))
}

/** Texts as strings: those of Rust are immutable here. */
function texts(doc: Doc<Notes>): Record<string, string> {
  return Object.fromEntries(Object.entries(doc).map(([key, value]) => [key, String(value)]))
}

/** Both have the same history, and hold exactly this. */
async function same(t: Test, ours: Shelf, theirs: PeerDocument, content: Record<string, string>): Promise<void> {
  t.deepEqual([...getHeads(ours.doc)].sort(), await theirs.heads())
  t.deepEqual(texts(ours.doc), content)
  t.deepEqual(await theirs.read(), content)
}

const CASES = [
  { name: 'both are empty', ours: 0, theirs: 0, apart: false },
  { name: 'only ours has keys', ours: 5, theirs: 0, apart: false },
  { name: 'only theirs has keys', ours: 0, theirs: 5, apart: false },
  { name: 'both have keys', ours: 5, theirs: 7, apart: false },
  { name: 'both have 2,000 keys', ours: 2_000, theirs: 2_000, apart: false },
  { name: 'both have 2,000 keys in as many changes', ours: 2_000, theirs: 2_000, apart: true },
] as const

for (const dialer of DIALERS) {
  for (const { name, ours: mine, theirs: their, apart } of CASES) {
    test(`${says(dialer)}, ${name}: both hold all, after at most three rounds, or four where a filter errs`, async (t) => {
      const peer = await Peer.start(t)
      const [theirs, ours] = await Promise.all([PeerDocument.create(peer), shelf(t, fill(init<Notes>(), 'gaiwan ', mine, apart))])
      if (their > 0) await theirs.fill('iroh ', their, apart)
      const { report, rounds } = await meet(peer, dialer, ours, theirs)
      await same(t, ours, theirs, { ...filled('gaiwan ', mine), ...filled('iroh ', their) })
      t.is(rounds, report.rounds)
      // Of random changes one in a hundred looks known to the filter of the other side, and comes a round later.
      t.true(rounds <= (mine > 0 && their > 0 ? 4 : 3), `${rounds} rounds`)
      if (mine + their === 0) t.is(rounds, 2)
    })
  }

  test(`${says(dialer)}, again and again: each session brings what changed since`, async (t) => {
    const peer = await Peer.start(t)
    const [theirs, ours] = await Promise.all([PeerDocument.create(peer), shelf(t, init<Notes>())])
    await theirs.put({ tea: { text: 'sencha' }, water: 80 })
    await meet(peer, dialer, ours, theirs)
    t.deepEqual({ ...ours.doc }, { tea: 'sencha', water: 80 })
    ours.doc = change(ours.doc, (draft) => {
      draft.water = 70
      delete draft.tea
    })
    await theirs.put({ minutes: 2 })
    await meet(peer, dialer, ours, theirs)
    t.deepEqual(await theirs.read(), { minutes: 2, water: 70 })
    t.deepEqual({ ...ours.doc }, { minutes: 2, water: 70 })
    const before = ours.sets
    await meet(peer, dialer, ours, theirs)
    t.deepEqual([...getHeads(ours.doc)].sort(), await theirs.heads())
    t.true(ours.sets >= before)
  })

  test(`${says(dialer)}, one key set on both sides: both agree on a winner`, async (t) => {
    const peer = await Peer.start(t)
    const [theirs, ours] = await Promise.all([PeerDocument.create(peer), shelf(t, from<Notes>({ water: 70 }))])
    await theirs.put({ water: 80 })
    await meet(peer, dialer, ours, theirs)
    const { water } = await theirs.read()
    t.true(water === 70 || water === 80)
    t.is(ours.doc.water, water)
  })

  test(`${says(dialer)}, 12 MiB on each side: past the frame of a repo session, as the example has no limit`, async (t) => {
    const peer = await Peer.start(t)
    const bytes = randomBytes(12 << 20)
    const [theirs, ours] = await Promise.all([PeerDocument.create(peer), shelf(t, from<Notes>({ gaiwan: new Uint8Array(bytes) }))])
    await theirs.put({ iroh: { random: 12 << 20 } })
    await meet(peer, dialer, ours, theirs)
    const read = await theirs.read()
    t.deepEqual(read.gaiwan, tally(bytes))
    t.deepEqual(tally(ours.doc.iroh as Uint8Array), read.iroh)
  })

  test(`${says(dialer)}, a message past our limit: the session ends on both sides, theirs knowing only that it failed`, async (t) => {
    const peer = await Peer.start(t)
    const [theirs, ours] = await Promise.all([PeerDocument.create(peer), shelf(t, init<Notes>(), { maxMessageBytes: 64 * 1024 })])
    await theirs.put({ iroh: { random: 128 * 1024 } })
    const failed = new Promise<unknown>((resolve) => ours.endpoint.on('handlerError', resolve))
    if (dialer === 'gaiwan') {
      const served = await PeerSync.serve(peer, theirs)
      const error = await t.throwsAsync(ours.sync.sync({ endpoint: ours.endpoint, to: served.addr }), { instanceOf: GaiwanError })
      t.is(error?.code, 'FRAME_TOO_LARGE')
      t.like(await t.throwsAsync(served.served(), { instanceOf: PeerError }), { kind: 'remote', code: 2n })
    } else {
      const from = await peer.bind()
      const session = dialAndSync(peer, from, ours.endpoint.addr, DOCUMENT_ALPN, theirs)
      t.like(await t.throwsAsync(session, { instanceOf: PeerError }), { kind: 'remote', code: 2n })
      t.like(await failed, { code: 'FRAME_TOO_LARGE' })
    }
    t.deepEqual({ ...ours.doc }, {})
  })
}

test('empty against empty is ten bytes from us and 25 back', async (t) => {
  const peer = await Peer.start(t)
  const [theirs, ours] = await Promise.all([PeerDocument.create(peer), shelf(t, init<Notes>())])
  const { report } = await meet(peer, 'gaiwan', ours, theirs)
  t.like(report, { rounds: 2, bytesSent: 10, bytesReceived: 25 })
})

test('syncDocument resolves with what the reference had', async (t) => {
  const peer = await Peer.start(t)
  const [theirs, endpoint] = await Promise.all([PeerDocument.create(peer), bind(t)])
  await theirs.put({ tea: { text: 'oolong' } })
  const served = await PeerSync.serve(peer, theirs)
  const connection = await endpoint.connect(served.addr, DOCUMENT_ALPN)
  const { doc, remoteId } = await syncDocument<Notes>(connection, from<Notes>({ water: 90 }))
  t.deepEqual({ ...doc }, { tea: 'oolong', water: 90 })
  t.is(remoteId, served.addr.id)
  await served.served()
  t.deepEqual(await theirs.read(), { tea: 'oolong', water: 90 })
})

test('whoever has no document is refused with code 1, and the next one is served', async (t) => {
  const peer = await Peer.start(t)
  const [theirs, endpoint, stranger, friend] = await Promise.all([PeerDocument.create(peer), bind(t), peer.bind(), peer.bind()])
  let doc = from<Notes>({ tea: 'assam' })
  const handle = {
    get: () => doc,
    set: (next: Doc<Notes>) => {
      doc = next
    },
  }
  const sync = new AutomergeSync<Notes>((id: EndpointId) => (id === friend.id ? handle : null))
  const router = Router.builder(endpoint).accept(DOCUMENT_ALPN, sync).spawn()
  t.teardown(() => router.shutdown())
  const refused = dialAndSync(peer, stranger, endpoint.addr, DOCUMENT_ALPN, theirs)
  t.like(await t.throwsAsync(refused, { instanceOf: PeerError }), { kind: 'remote', code: 1n })
  t.deepEqual(await theirs.read(), {})
  await dialAndSync(peer, friend, endpoint.addr, DOCUMENT_ALPN, theirs)
  t.deepEqual(await theirs.read(), { tea: 'assam' })
})

test('twenty of theirs sync with one document of ours at the same time', async (t) => {
  const peer = await Peer.start(t)
  const ours = await shelf(t, from<Notes>({ gaiwan: 'here' }))
  const all = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const [theirs, from] = await Promise.all([PeerDocument.create(peer), peer.bind()])
      await theirs.put({ [`iroh ${n}`]: { text: `${n}` } })
      await dialAndSync(peer, from, ours.endpoint.addr, DOCUMENT_ALPN, theirs)
      return theirs
    }),
  )
  const wanted = Object.fromEntries([['gaiwan', 'here'], ...all.map((_, n) => [`iroh ${n}`, `${n}`])])
  t.deepEqual({ ...ours.doc }, wanted)
  for (const [n, theirs] of all.entries()) t.like(await theirs.read(), { gaiwan: 'here', [`iroh ${n}`]: `${n}` })
})

function tally(bytes: Uint8Array): { bytes: number; sha256: string } {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
