import test, { type ExecutionContext } from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SecretKey } from '../../ts/index.js'
import { desk, find, moves, until } from '../automerge/network.js'
import { gaiwan } from '../helpers/child.js'
import { candidate, hex, lost, type Notes, put, QUICK, url } from './automerge-meeting.js'
import { PeerRepo, SAMODS } from './automerge-peer.js'
import { DIALERS, present, says } from './meeting.js'
import { ownPort, Peer } from './peer.js'

type Test = ExecutionContext<unknown>

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'gaiwan-automerge-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

for (const samod of SAMODS) {
  test(`samod ${samod}: one that was stopped comes again with its key and folder, and both bring what changed meanwhile`, async (t) => {
    const [directory, secretKey] = [folder(t), hex(SecretKey.generate())]
    const before = await Peer.spawn()
    const first = await PeerRepo.start(before, { samod, directory, secretKey, port: await ownPort() })
    const ours = await desk(t, { ...QUICK, peers: [first.addr] })
    await candidate(ours, first.id)
    const there = await first.create({ tea: { text: 'sencha' } })
    const here = await find<Notes>(ours, url(there), ({ tea }) => tea === 'sencha')
    await first.stop()
    await lost(ours, first.id)
    await before.close()
    put(here, { water: 80 })
    const peer = await Peer.start(t)
    const again = await PeerRepo.start(peer, { samod, directory, secretKey, port: first.port })
    t.is(again.id, first.id)
    await Promise.all([again.connected(ours.endpoint.id), candidate(ours, first.id, 2)])
    const copy = present(await again.find(there.id))
    t.is(await copy.until('water', 80), 80)
    await copy.put({ minutes: 2 })
    await until(here, ({ minutes }) => minutes === 2)
    t.deepEqual(moves(ours), [`+ ${first.id}`, `- ${first.id}`, `+ ${first.id}`])
  })

  test(`samod ${samod}: one that was killed and has forgotten all is found again and gets everything from us`, async (t) => {
    const secretKey = hex(SecretKey.generate())
    const before = await Peer.spawn()
    const first = await PeerRepo.start(before, { samod, secretKey, port: await ownPort() })
    const ours = await desk(t, { ...QUICK, peers: [first.addr] })
    await candidate(ours, first.id)
    const there = await first.create({ tea: { text: 'oolong' } })
    const here = await find<Notes>(ours, url(there), ({ tea }) => tea === 'oolong')
    await before.kill()
    put(here, { water: 90 })
    await lost(ours, first.id)
    const peer = await Peer.start(t)
    const again = await PeerRepo.start(peer, { samod, secretKey, port: first.port })
    await Promise.all([again.connected(ours.endpoint.id), candidate(ours, first.id, 2)])
    const copy = present(await again.find(there.id))
    t.is(await copy.until('water', 90), 90)
    t.deepEqual(await copy.read(), { tea: 'oolong', water: 90 })
  })

  test(`samod ${samod}: ours that was killed comes again with its key, though samod takes the old session for alive`, async (t) => {
    const peer = await Peer.start(t)
    const theirs = await PeerRepo.start(peer, { samod })
    const there = await theirs.create({ tea: { text: 'assam' } })
    const key = SecretKey.generate()
    const file = join(folder(t), 'ours.mjs')
    writeFileSync(
      file,
      `import { Repo } from '${import.meta.resolve('@automerge/automerge-repo')}'
      import { Endpoint, Router } from '${gaiwan}'
      import { GaiwanNetworkAdapter, REPO_ALPN } from '${new URL('../../ts/automerge/index.ts', import.meta.url)}'
      const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0', secretKey: '${hex(key)}' })
      const adapter = new GaiwanNetworkAdapter({ endpoint, peers: [${JSON.stringify(theirs.addr)}], readyTimeoutMs: 60_000 })
      Router.builder(endpoint).accept(REPO_ALPN, adapter).spawn()
      const handle = await new Repo({ peerId: endpoint.id, network: [adapter] }).find('${url(there)}')
      handle.change((doc) => { doc[process.argv[2]] = Object.keys(doc).length })`,
    )
    const start = (name: string) => {
      const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file, name], { stdio: 'inherit' })
      t.teardown(() => child.kill('SIGKILL'))
      return child
    }
    const first = start('first')
    t.is(await there.until('first'), 1)
    first.kill('SIGKILL')
    await once(first, 'exit')
    await there.put({ water: 100 })
    start('second')
    // It counts what it found: tea, first and water.
    t.is(await there.until('second'), 3)
  })

  for (const dialer of DIALERS) {
    test(`samod ${samod}, ${says(dialer)}: ours shuts down, comes again with its key, and has what changed meanwhile`, async (t) => {
      const peer = await Peer.start(t)
      const theirs = await PeerRepo.start(peer, { samod })
      const secretKey = SecretKey.generate()
      const start = async () => {
        const ours = await desk(t, { endpoint: { secretKey }, ...(dialer === 'gaiwan' ? { peers: [theirs.addr] } : {}) })
        if (dialer === 'iroh') await theirs.dial(ours.endpoint.addr)
        await candidate(ours, theirs.id)
        return ours
      }
      const first = await start()
      const there = await theirs.create({ tea: { text: 'assam' } })
      const here = await find<Notes>(first, url(there), ({ tea }) => tea === 'assam')
      put(here, { water: 100 })
      await there.until('water', 100)
      await first.repo.shutdown()
      await first.router.shutdown()
      t.like(await theirs.ended(), { direction: dialer === 'gaiwan' ? 'accepted' : 'dialed', remoteId: first.endpoint.id })
      await there.put({ minutes: 4 })
      const again = await start()
      t.is(again.endpoint.id, first.endpoint.id)
      const copy = await find<Notes>(again, url(there), ({ minutes }) => minutes === 4)
      put(copy, { cups: 2 })
      t.is(await there.until('cups', 2), 2)
    })
  }
}

test('samod 0.16 that redials on its own comes again after ours was gone', async (t) => {
  const peer = await Peer.start(t)
  const theirs = await PeerRepo.start(peer, { samod: '0.16' })
  const secretKey = SecretKey.generate()
  const where = `127.0.0.1:${await ownPort()}`
  const first = await desk(t, { endpoint: { secretKey, bind: where } })
  await theirs.dial(first.endpoint.addr, true)
  await Promise.all([theirs.connected(first.endpoint.id), candidate(first, theirs.id)])
  const here = first.repo.create<Notes>({ tea: 'sencha' })
  const there = present(await theirs.find(here.documentId))
  await first.repo.shutdown()
  await first.router.shutdown()
  await there.put({ water: 80 })
  const again = await desk(t, { endpoint: { secretKey, bind: where } })
  await candidate(again, theirs.id)
  const copy = await find<Notes>(again, here.url, ({ water }) => water === 80)
  t.is(copy.doc().tea, 'sencha')
})
