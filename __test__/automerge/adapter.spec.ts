import { randomBytes } from 'node:crypto'
import test from 'ava'
import { bind } from '../helpers/pair.js'
import { type Desk, desk, desks, find, met, moves, parted, until } from './network.js'

interface List {
  items: string[]
}

test('a document that one repo made is found by the other and edited both ways', async (t) => {
  const [a, b] = await desks(t)
  const here = a.repo.create<List>({ items: ['sencha'] })
  const there = await find<List>(b, here.url, ({ items }) => items.length === 1)
  here.change((doc) => void doc.items.push('oolong'))
  await until(there, ({ items }) => items.length === 2)
  there.change((doc) => void doc.items.push('assam'))
  await until(here, ({ items }) => items.length === 3)
  t.deepEqual([...here.doc().items], ['sencha', 'oolong', 'assam'])
  t.deepEqual([...there.doc().items], [...here.doc().items])
  t.deepEqual(moves(a), [`+ ${b.endpoint.id}`])
  t.deepEqual(moves(b), [`+ ${a.endpoint.id}`])
})
