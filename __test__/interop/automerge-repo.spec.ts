// automerge-repo over gaiwan with samod repos, as iroh-examples' iroh-automerge-repo has them: what goes over one session.
import { splice } from '@automerge/automerge'
import { cbor } from '@automerge/automerge-repo'
import ava from 'ava'
import { createHash, randomBytes } from 'node:crypto'
import { desk, find, moves, until } from '../automerge/network.js'
import { candidate, meetRepos, type Notes, put, url } from './automerge-meeting.js'
import { PeerRepo, SAMODS } from './automerge-peer.js'
import { DIALERS, present, says } from './meeting.js'
import { Peer } from './peer.js'

/** One after the other: Automerge keeps this thread busy, and all at once would wait for each other longer than sessions do. */
const test = ava.serial

function tally(bytes: Uint8Array): { bytes: number; sha256: string } {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}

for (const samod of SAMODS) {
  for (const dialer of DIALERS) {
    const who = `samod ${samod}, ${says(dialer)}`

    test(`${who}: what samod made is found here and edited both ways`, async (t) => {
      const { ours, theirs } = await meetRepos(t, dialer, { samod })
      const there = await theirs.create({ tea: { text: 'sencha' }, water: 80 })
      const here = await find<Notes>(ours, url(there), ({ tea }) => tea === 'sencha')
      put(here, { water: 70 })
      t.is(await there.until('water', 70), 70)
      await there.put({ minutes: 2 })
      await until(here, ({ minutes }) => minutes === 2)
      await there.splice('tea', 0, 0, 'fine ')
      await until(here, ({ tea }) => tea === 'fine sencha')
      t.deepEqual({ ...here.doc() }, await there.read())
      t.deepEqual(moves(ours), [`+ ${theirs.id}`])
    })

    test(`${who}: what was made here samod finds and edits, and hears of later edits`, async (t) => {
      const { ours, theirs } = await meetRepos(t, dialer, { samod })
      const here = ours.repo.create<Notes>({ tea: 'oolong', cups: [1, 2] })
      const there = present(await theirs.find(here.documentId))
      t.deepEqual(await there.until('cups'), [1, 2])
      t.deepEqual(await there.read(), { tea: 'oolong', cups: [1, 2] })
      await there.put({ water: 95 })
      await until(here, ({ water }) => water === 95)
      here.change((doc) => {
        delete doc.cups
        doc.minutes = 3
      })
      await there.until('minutes', 3)
      t.deepEqual(await there.read(), { tea: 'oolong', water: 95, minutes: 3 })
    })

    test(`${who}: edits of one text that cross become one text`, async (t) => {
      const { ours, theirs } = await meetRepos(t, dialer, { samod })
      const there = await theirs.create({ tea: { text: 'green' } })
      const here = await find<Notes>(ours, url(there), ({ tea }) => tea === 'green')
      here.change((doc) => splice(doc, ['tea'], 5, 0, ' tea'))
      await there.splice('tea', 0, 0, 'very ')
      await Promise.all([there.until('tea', 'very green tea'), until(here, ({ tea }) => tea === 'very green tea')])
      t.is(here.doc().tea, 'very green tea')
    })

    test(`${who}: ephemeral messages go both ways`, async (t) => {
      const { ours, theirs } = await meetRepos(t, dialer, { samod })
      const there = await theirs.create({ tea: 'assam' })
      const here = await find<Notes>(ours, url(there), ({ tea }) => tea !== undefined)
      for (let n = 0; n < 3; n++) {
        here.broadcast({ cursor: n })
        t.deepEqual(cbor.decode(await there.heard()), { cursor: n })
        const heard = new Promise<{ senderId: string; message: unknown }>((resolve) => here.once('ephemeral-message', resolve))
        await there.broadcast(cbor.encode({ at: n }))
        t.like(await heard, { senderId: theirs.id, message: { at: n } })
      }
    })

    test(`${who}: a hundred documents of each are found and edited by the other`, async (t) => {
      const { ours, theirs } = await meetRepos(t, dialer, { samod })
      const count = 100
      const mine = Array.from({ length: count }, (_, n) => ours.repo.create<Notes>({ n }))
      const their = await Promise.all(mine.map((_, n) => theirs.create({ n })))
      const [found, copies] = await Promise.all([
        Promise.all(mine.map(async (handle) => present(await theirs.find(handle.documentId)))),
        Promise.all(their.map((document, n) => find<Notes>(ours, url(document), (doc) => doc.n === n))),
      ])
      await Promise.all(found.map((document, n) => document.put({ seen: n })))
      for (const [n, handle] of copies.entries()) put(handle, { seen: n })
      await Promise.all([
        ...mine.map((handle, n) => until(handle, ({ seen }) => seen === n)),
        ...their.map((document, n) => document.until('seen', n)),
      ])
      t.deepEqual(moves(ours), [`+ ${theirs.id}`])
    })

    test(`${who}: 2,000 keys of each and 100 more changes of each meet in one document`, async (t) => {
      const { ours, theirs } = await meetRepos(t, dialer, { samod })
      const here = ours.repo.create<Notes>(Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`gaiwan ${n}`, n])))
      const there = present(await theirs.find(here.documentId))
      await Promise.all([there.fill('iroh ', 2_000), there.fill('iroh again ', 100, true)])
      for (let n = 0; n < 100; n++) put(here, { [`gaiwan again ${n}`]: n })
      await Promise.all([there.untilKeys(4_200), until(here, (doc) => Object.keys(doc).length === 4_200)])
      t.like(await there.read(), { 'gaiwan 1999': 1_999, 'gaiwan again 99': 99 })
      t.is(String(here.doc()['iroh 1999']), 'iroh value 1999')
      t.is(String(here.doc()['iroh again 99']), 'iroh again value 99')
    })

    test(`${who}: documents of 7.9 MiB go both ways`, async (t) => {
      const { ours, theirs } = await meetRepos(t, dialer, { samod })
      const size = Math.floor(7.9 * 1024 * 1024)
      const bytes = randomBytes(size)
      const there = await theirs.create({ leaves: { random: size } })
      const here = await find<Notes>(ours, url(there), ({ leaves }) => leaves !== undefined)
      t.deepEqual(tally(here.doc().leaves as Uint8Array), (await there.read()).leaves)
      const mine = ours.repo.create<Notes>({ leaves: new Uint8Array(bytes) })
      const found = present(await theirs.find(mine.documentId))
      t.deepEqual(await found.until('leaves'), tally(bytes))
      t.deepEqual(moves(ours), [`+ ${theirs.id}`])
    })
  }

  test(`samod ${samod}: what nobody has is unavailable on both sides, and the session goes on`, async (t) => {
    const { ours, theirs } = await meetRepos(t, 'gaiwan', { samod })
    const elsewhere = await desk(t)
    const stray = elsewhere.repo.create<Notes>({ tea: 'none' })
    t.is(await theirs.find(stray.documentId), null)
    await t.throwsAsync(ours.repo.find(stray.url), { message: /unavailable/ })
    const there = await theirs.create({ tea: { text: 'sencha' } })
    const here = await find<Notes>(ours, url(there), ({ tea }) => tea === 'sencha')
    t.is(here.doc().tea, 'sencha')
    t.deepEqual(moves(ours), [`+ ${theirs.id}`])
  })

  test(`samod ${samod}: it stands between two of ours, for documents and ephemeral messages`, async (t) => {
    const { ours, theirs } = await meetRepos(t, 'gaiwan', { samod })
    const far = await desk(t, { peers: [theirs.addr] })
    await candidate(far, theirs.id)
    const here = ours.repo.create<Notes>({ tea: 'oolong' })
    present(await theirs.find(here.documentId))
    // A document that the one in the middle asks about first counts as unavailable until its answer comes.
    const copy = await far.repo.find<Notes>(here.url, { allowableStates: ['ready', 'unavailable'] })
    await copy.whenReady()
    await until(copy, ({ tea }) => tea === 'oolong')
    put(copy, { water: 90 })
    await until(here, ({ water }) => water === 90)
    const heard = new Promise<{ senderId: string; message: unknown }>((resolve) => copy.once('ephemeral-message', resolve))
    here.broadcast('across')
    // The author's id, not that of the one in the middle.
    t.like(await heard, { senderId: ours.endpoint.id, message: 'across' })
    t.deepEqual(moves(ours), [`+ ${theirs.id}`])
  })

  test(`samod ${samod}: two of theirs meet over a repo of ours`, async (t) => {
    const peer = await Peer.start(t)
    const [ours, one, other] = await Promise.all([desk(t), PeerRepo.start(peer, { samod }), PeerRepo.start(peer, { samod })])
    await Promise.all([one.dial(ours.endpoint.addr), other.dial(ours.endpoint.addr)])
    await Promise.all([one, other].flatMap((repo) => [repo.connected(ours.endpoint.id), candidate(ours, repo.id)]))
    const there = await one.create({ tea: { text: 'assam' } })
    await find<Notes>(ours, url(there), ({ tea }) => tea === 'assam')
    const copy = present(await other.find(there.id))
    await copy.put({ water: 100 })
    t.is(await there.until('water', 100), 100)
  })
}
