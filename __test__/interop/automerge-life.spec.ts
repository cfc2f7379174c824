// Sessions with samod repos: crossed dials, what repos say of themselves and of others, limits, names.
import type { PeerCandidatePayload, PeerId, StorageId } from '@automerge/automerge-repo'
import { MemoryStorage } from '../automerge/storage.js'
import ava from 'ava'
import { SecretKey } from '../../ts/index.js'
import { desk, find, moves, until } from '../automerge/network.js'
import { candidate, hex, lost, meetRepos, type Notes, put, QUICK, url } from './automerge-meeting.js'
import { PeerRepo, SAMODS } from './automerge-peer.js'
import { DIALERS, present, says } from './meeting.js'
import { Peer } from './peer.js'

/** One after the other: Automerge keeps this thread busy, and all at once would wait for each other longer than sessions do. */
const test = ava.serial

for (const samod of SAMODS) {
  for (const smaller of ['ours', 'theirs'] as const) {
    test(`samod ${samod}: dials that cross leave one session, that of the smaller id, ${smaller}`, async (t) => {
      const keys = [SecretKey.generate(), SecretKey.generate()].sort((a, b) => (a.id < b.id ? -1 : 1))
      const [ourKey, theirKey] = (smaller === 'ours' ? keys : keys.reverse()) as [SecretKey, SecretKey]
      const peer = await Peer.start(t)
      const [theirs, ours] = await Promise.all([
        PeerRepo.start(peer, { samod, secretKey: hex(theirKey) }),
        desk(t, { endpoint: { secretKey: ourKey } }),
      ])
      ours.adapter.addPeer(theirs.addr)
      await Promise.all([theirs.dial(ours.endpoint.addr), candidate(ours, theirs.id)])
      // Whichever was first, the other one ends, and the peer hears of it.
      t.is((await theirs.ended()).direction, smaller === 'ours' ? 'dialed' : 'accepted')
      const there = await theirs.create({ tea: { text: 'sencha' } })
      const here = await find<Notes>(ours, url(there), ({ tea }) => tea === 'sencha')
      put(here, { water: 80 })
      t.is(await there.until('water', 80), 80)
      t.deepEqual(
        ours.adapter.sessions().map(({ state, side }) => ({ state, side })),
        [{ state: 'open', side: smaller === 'ours' ? 'client' : 'server' }],
      )
      t.is(moves(ours).at(-1), `+ ${theirs.id}`)
    })
  }

  test(`samod ${samod}: what it says of itself reaches the repo, whichever key it has that under`, async (t) => {
    const peer = await Peer.start(t)
    const [theirs, ours] = await Promise.all([PeerRepo.start(peer, { samod }), desk(t)])
    const said = new Promise<PeerCandidatePayload>((resolve) => ours.adapter.once('peer-candidate', resolve))
    await theirs.dial(ours.endpoint.addr)
    const { peerId, peerMetadata } = await said
    t.is(peerId, theirs.id as PeerId)
    t.is(peerMetadata.isEphemeral, false)
    // 0.5.1 has one too, but does not say so.
    t.is(peerMetadata.storageId === undefined, samod === '0.5')
  })

  test(`samod ${samod}: remote heads gossip of ours does not end the session`, async (t) => {
    const peer = await Peer.start(t)
    const [ours, theirs] = await Promise.all([desk(t, { repo: { enableRemoteHeadsGossiping: true } }), PeerRepo.start(peer, { samod })])
    const gossip = new Set<string>()
    const send = ours.adapter.send.bind(ours.adapter)
    ours.adapter.send = (message) => {
      if (message.targetId === theirs.id) gossip.add(message.type)
      send(message)
    }
    // One with storage, so that there are heads to gossip about, with a time that no u32 holds.
    const stored = await desk(t, { repo: { storage: new MemoryStorage() }, peers: [ours.endpoint.addr] })
    await candidate(ours, stored.endpoint.id)
    const there = stored.repo.create<Notes>({ tea: 'oolong' })
    const here = await find<Notes>(ours, there.url, ({ tea }) => tea === 'oolong')
    ours.repo.subscribeToRemotes(['3760df37-a4c6-4f66-9ecd-732039a9385d' as StorageId])
    await theirs.dial(ours.endpoint.addr)
    await Promise.all([theirs.connected(ours.endpoint.id), candidate(ours, theirs.id)])
    const copy = present(await theirs.find(here.documentId))
    ours.repo.subscribeToRemotes(['c1d7f1d4-7a3f-4a59-9d0c-bd8b5ed4b3c1' as StorageId])
    for (let n = 0; n < 10; n++) {
      put(there, { n })
      await copy.until('n', n)
      await copy.put({ m: n })
      await until(there, ({ m }) => m === n)
    }
    t.true(gossip.has('remote-subscription-change') && gossip.has('remote-heads-changed'), [...gossip].join())
    t.deepEqual(
      moves(ours).filter((line) => line.endsWith(theirs.id)),
      [`+ ${theirs.id}`],
    )
  })

  test(`samod ${samod}: a document of 8.1 MiB of ours costs one session, then all but that document syncs`, async (t) => {
    const { ours, theirs } = await meetRepos(t, 'gaiwan', { samod }, QUICK)
    const failed = new Promise<unknown>((resolve) => ours.endpoint.on('handlerError', resolve))
    const large = ours.repo.create<Notes>({ leaves: crypto.getRandomValues(new Uint8Array(65_536)) })
    const small = ours.repo.create<Notes>({ tea: 'assam' })
    present(await theirs.find(large.documentId))
    put(large, { leaves: many(Math.ceil(8.1 * 1024 * 1024)) })
    t.like(await failed, { code: 'FRAME_TOO_LARGE' })
    await candidate(ours, theirs.id, 2)
    const there = present(await theirs.find(small.documentId))
    await there.put({ water: 100 })
    await until(small, ({ water }) => water === 100)
    t.deepEqual(moves(ours), [`+ ${theirs.id}`, `- ${theirs.id}`, `+ ${theirs.id}`])
  })

  test(`samod ${samod}: a document of 8.1 MiB of theirs ends the session there, with an error of the codec`, async (t) => {
    const { ours, theirs } = await meetRepos(t, 'gaiwan', { samod }, QUICK)
    const there = await theirs.create({ tea: { text: 'sencha' } })
    await find<Notes>(ours, url(there), ({ tea }) => tea === 'sencha')
    await there.put({ leaves: { random: Math.ceil(8.1 * 1024 * 1024) } })
    const { reason, direction } = await theirs.ended()
    t.is(direction, 'accepted')
    t.regex(reason, samod === '0.5' ? /ErrorSending.*frame/ : /connection removed/)
    await lost(ours, theirs.id)
  })

  test(`samod ${samod}: documents of 12 MiB go both ways once both allow it`, async (t) => {
    const limit = 32 * 1024 * 1024
    const { ours, theirs } = await meetRepos(t, 'iroh', { samod, maxFrameBytes: limit }, { adapter: { maxSendBytes: limit } })
    const there = await theirs.create({ leaves: { random: 12 << 20 } })
    const here = await find<Notes>(ours, url(there), ({ leaves }) => leaves !== undefined)
    t.is((here.doc().leaves as Uint8Array).length, 12 << 20)
    const mine = ours.repo.create<Notes>({ leaves: many(12 << 20) })
    const found = present(await theirs.find(mine.documentId))
    t.like(await found.until('leaves'), { bytes: 12 << 20 })
    t.deepEqual(moves(ours), [`+ ${theirs.id}`])
  })
}

test('samod 0.5 under a name that is not its endpoint id is refused', async (t) => {
  const peer = await Peer.start(t)
  const [theirs, ours] = await Promise.all([PeerRepo.start(peer, { peerId: 'somebody else' }), desk(t)])
  const failed = new Promise<unknown>((resolve) => ours.endpoint.on('handlerError', resolve))
  await theirs.dial(ours.endpoint.addr)
  t.like(await failed, { code: 'PEER_ID_MISMATCH' })
  t.like(await theirs.ended(), { direction: 'dialed', remoteId: ours.endpoint.id })
  t.deepEqual(moves(ours), [])
})

for (const dialer of DIALERS) {
  test(`samod 0.5 under any name, ${says(dialer)}: welcome where peerIds is any`, async (t) => {
    const { ours, theirs } = await meetRepos(t, dialer, { peerId: 'tea house' }, { adapter: { peerIds: 'any' } })
    const there = await theirs.create({ tea: { text: 'oolong' } })
    const here = await find<Notes>(ours, url(there), ({ tea }) => tea === 'oolong')
    t.is(here.doc().tea, 'oolong')
    t.deepEqual(
      ours.adapter.sessions().map(({ peerId, remoteId }) => ({ peerId, remoteId })),
      [{ peerId: 'tea house' as PeerId, remoteId: theirs.id }],
    )
  })
}

test('whom accept turns away gets no session, and samod hears of the end', async (t) => {
  const peer = await Peer.start(t)
  const [stranger, friend] = await Promise.all([PeerRepo.start(peer), PeerRepo.start(peer)])
  const ours = await desk(t, { adapter: { accept: (id) => id === friend.id } })
  await stranger.dial(ours.endpoint.addr)
  t.like(await stranger.ended(), { direction: 'dialed', remoteId: ours.endpoint.id })
  await friend.dial(ours.endpoint.addr)
  await candidate(ours, friend.id)
  t.deepEqual(moves(ours), [`+ ${friend.id}`])
})

/** Bytes that nothing compresses. */
function many(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65_536, length)))
  return bytes
}
