// Sessions that come and go leave nothing behind.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as Automerge from '@automerge/automerge'
import test from 'ava'
import { bind } from '../helpers/pair.js'
import { desk, moves, parted } from './network.js'
import { join, joinRepo, Scripted } from './scripted.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Heap in use after a collection, a few turns later: what is dropped is given back by then. */
async function heapBytes(): Promise<number> {
  for (let n = 0; n < 5; n++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
  return process.memoryUsage().heapUsed
}

// The heap is that of all tests that run.
test.serial('100 sessions, one after the other, with flat memory', async (t) => {
  const a = await desk(t)
  const made = a.repo.create({ tea: 'sencha' })
  const endpoint = await bind(t, { closeTimeoutMs: 200 })
  const once = async () => {
    const guest = await joinRepo(t, a, endpoint)
    const data = Automerge.generateSyncMessage(Automerge.init(), Automerge.initSyncState())[1]!
    await guest.say({ type: 'sync', documentId: made.documentId, senderId: endpoint.id, targetId: a.endpoint.id, data })
    t.is((await guest.hearThe('sync'))['documentId'], made.documentId)
    await guest.stream.send.finish()
    await guest.connection.closed
    await parted(a, { endpoint })
  }
  for (let n = 0; n < 30; n++) await once()
  const before = await heapBytes()
  for (let n = 0; n < 100; n++) await once()
  const grown = (await heapBytes()) - before
  t.true(grown < 2 * 1024 * 1024, `the heap grew by ${grown} bytes`)
  t.is(moves(a).length, 260)
  t.deepEqual(a.adapter.sessions(), [])
})

test('100 sessions at once, each with its document', async (t) => {
  const a = await desk(t, { adapter: { peerIds: 'any' } })
  const made = Array.from({ length: 100 }, (_, n) => a.repo.create({ n }))
  const endpoint = await bind(t, { closeTimeoutMs: 200 })
  const guests: Scripted[] = []
  // Ten at a time: each is told of all documents, on this thread, and a handshake has 10 s.
  for (let first = 0; first < made.length; first += 10) {
    const come = made.slice(first, first + 10).map(async ({ documentId }, n) => {
      const connection = await endpoint.connect(a.endpoint.addr, 'iroh/automerge-repo/1')
      const guest = new Scripted(connection, await connection.openBi(), 'u32be')
      await guest.say(join(`guest ${first + n}`))
      t.is((await guest.hear()).type, 'peer')
      for (;;) if ((await guest.hearThe('sync'))['documentId'] === documentId) return guest
    })
    guests.push(...(await Promise.all(come)))
  }
  t.is(a.adapter.sessions().filter(({ state }) => state === 'open').length, 100)
  for (const { connection } of guests) connection.close()
  while (a.adapter.sessions().length > 0) await new Promise((resolve) => setImmediate(resolve))
  t.is(moves(a).length, 200)
})
