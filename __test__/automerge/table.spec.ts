import type { PeerId } from '@automerge/automerge-repo'
import test from 'ava'
import { CROSSED_MS } from '../../ts/automerge/protocol.js'
import type { Session } from '../../ts/automerge/session.js'
import { Table } from '../../ts/automerge/table.js'

const [SMALL, LARGE] = ['11'.repeat(32), 'ee'.repeat(32)]

const session = (remoteId: string, side: 'client' | 'server', madeAt: number, peerId = remoteId) =>
  ({ remoteId, side, madeAt, peerId: peerId as PeerId }) as unknown as Session

function table(self: string): { table: Table; heard: string[]; closed: Session[]; enter: (session: Session) => boolean } {
  const heard: string[] = []
  const closed: Session[] = []
  const table = new Table(self, {
    candidate: ({ side, madeAt }) => heard.push(`+ ${side} ${madeAt}`),
    disconnected: ({ side, madeAt }) => heard.push(`- ${side} ${madeAt}`),
  })
  const enter = (one: Session) => {
    const stays = table.admit(one, (old) => closed.push(old))
    if (stays) table.announce(one)
    return stays
  }
  return { table, heard, closed, enter }
}

test('crossed dials: both ends keep the connection that the smaller id dialed, whichever comes first', (t) => {
  for (const [first, second] of [
    ['dialed by small', 'dialed by large'],
    ['dialed by large', 'dialed by small'],
  ]) {
    const small = table(SMALL)
    const large = table(LARGE)
    const sideAt = (self: string, dialed: string | undefined) => ((dialed === 'dialed by small') === (self === SMALL) ? 'client' : 'server')
    for (const [n, dialed] of [first, second].entries()) {
      small.enter(session(LARGE, sideAt(SMALL, dialed), n * (CROSSED_MS - 1)))
      large.enter(session(SMALL, sideAt(LARGE, dialed), n * (CROSSED_MS - 1)))
    }
    t.is(small.table.get(LARGE as PeerId)?.side, 'client')
    t.is(large.table.get(SMALL as PeerId)?.side, 'server')
  }
})

test('the newer one wins when the older is of another time, or was dialed by the same end', (t) => {
  const { heard, closed, enter, table: it } = table(SMALL)
  const old = session(LARGE, 'client', 0)
  t.true(enter(old))
  const young = session(LARGE, 'server', CROSSED_MS)
  t.true(enter(young))
  t.true(enter(session(LARGE, 'server', CROSSED_MS + 1)))
  t.deepEqual(heard, ['+ client 0', '- client 0', `+ server ${CROSSED_MS}`, `- server ${CROSSED_MS}`, `+ server ${CROSSED_MS + 1}`])
  t.deepEqual(closed, [old, young])
  t.is(it.all.length, 1)
})

test('two endpoints that claim one peer id are no crossed dials', (t) => {
  const { enter, table: it } = table(LARGE)
  enter(session(SMALL, 'server', 0, 'alice'))
  t.true(enter(session('22'.repeat(32), 'client', 1, 'alice')))
  t.is(it.get('alice' as PeerId)?.madeAt, 1)
})

test('each candidate has one end, and an old session that ends late is not the end of the new one', (t) => {
  const { heard, enter, table: it } = table(SMALL)
  const [old, young] = [session(LARGE, 'client', 0), session(LARGE, 'client', 1)]
  enter(old)
  enter(young)
  it.drop(old)
  t.deepEqual(heard, ['+ client 0', '- client 0', '+ client 1'])
  it.drop(young)
  it.drop(young)
  t.deepEqual(heard.slice(3), ['- client 1'])
})

test('idle waits for the end of the session with an endpoint, or for the abort', async (t) => {
  const { enter, table: it } = table(SMALL)
  await it.idle(LARGE, new AbortController().signal)
  const one = session(LARGE, 'client', 0)
  enter(one)
  let isIdle = false
  const idle = it.idle(LARGE, new AbortController().signal).then(() => {
    isIdle = true
  })
  const abort = new AbortController()
  const aborted = t.throwsAsync(it.idle(LARGE, abort.signal), { any: true, name: 'AbortError' })
  abort.abort()
  await aborted
  t.false(isIdle)
  it.drop(one)
  await idle
  t.true(isIdle)
})
