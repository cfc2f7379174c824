// How do two people edit the same notes, without a server?
//
// automerge-repo keeps documents that merge whatever was written meanwhile; gaiwan's adapter is its network. A peer is dialed by its
// public key, and the repo knows it by that key: a share policy can trust it. Each side may be away and write; when they meet again both
// have it all.
// Run: npx tsx examples/notes.ts   (needs @automerge/automerge and @automerge/automerge-repo)
import { type DocHandle, type PeerId, Repo } from '@automerge/automerge-repo'
import { Endpoint, Router } from 'gaiwan'
import { GaiwanNetworkAdapter, REPO_ALPN } from 'gaiwan/automerge'

const LOOPBACK = { bind: '127.0.0.1:0' }

interface Notes {
  title: string
  lines: string[]
}

/** An endpoint, a repo on it, and a policy: documents are shown to those on the list, and to nobody else. */
async function enter(friends: Set<PeerId>, ticket?: string) {
  const endpoint = await Endpoint.bind(LOOPBACK)
  const peers = ticket === undefined ? [] : [ticket]
  // Whoever asks for a document waits so long for the first peer; with none there, nobody has it.
  const adapter = new GaiwanNetworkAdapter({ endpoint, peers, readyTimeoutMs: 30_000, retry: { initialMs: 50 } })
  const router = Router.builder(endpoint).accept(REPO_ALPN, adapter).spawn()
  const peerId = endpoint.id as PeerId
  const access = async (who: PeerId) => friends.has(who)
  const repo = new Repo({ peerId, network: [adapter], shareConfig: { announce: access, access } })
  return { peerId, endpoint, adapter, repo, router }
}

/** Waits until a document is as it should be. */
function until(handle: DocHandle<Notes>, holds: (notes: Notes) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!holds(handle.doc())) return
      handle.off('change', look)
      resolve()
    }
    handle.on('change', look)
    look()
  })
}

const friends = new Set<PeerId>()
const ann = await enter(friends)
const ben = await enter(friends, ann.endpoint.ticket())
const eve = await enter(new Set([ann.peerId]), ann.endpoint.ticket())
friends.add(ann.peerId).add(ben.peerId)

const atAnn = ann.repo.create<Notes>({ title: 'Tea', lines: ['sencha: 70 °C'] })
const atBen = await ben.repo.find<Notes>(atAnn.url)
console.log('Ben finds', atBen.doc().title, 'with', atBen.doc().lines.join(', '))

atBen.change((notes) => {
  notes.lines.push('oolong: 85 °C')
})
await until(atAnn, ({ lines }) => lines.length === 2)
console.log('Ann reads', atAnn.doc().lines.join(', '))

// Ben goes away; both go on writing.
ben.adapter.disconnect()
atAnn.change((notes) => {
  notes.title = 'Tea, in degrees'
})
atBen.change((notes) => {
  notes.lines.push('assam: 95 °C')
})
console.log('apart, Ann has', atAnn.doc().lines.length, 'lines and Ben the title', atBen.doc().title)
ben.adapter.connect(ben.peerId)
await Promise.all([until(atAnn, ({ lines }) => lines.length === 3), until(atBen, ({ title }) => title !== 'Tea')])
console.log('together again:', `${atBen.doc().title}:`, atAnn.doc().lines.join(', '))

// What is said and not kept: cursors, who is typing.
const typing = new Promise((resolve) =>
  atAnn.on('ephemeral-message', ({ message, senderId }) => resolve([message, senderId === ben.peerId])),
)
atBen.broadcast('is typing')
console.log('Ann hears', await typing)

const refused = await eve.repo.find<Notes>(atAnn.url).then(
  () => 'has it',
  () => 'is told that there is no such document',
)
console.log('Eve is on no list and', refused)

for (const { repo, router } of [eve, ben, ann]) {
  await repo.shutdown()
  await router.shutdown()
}
