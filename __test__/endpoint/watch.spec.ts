import test from 'ava'
import { Watched } from '../../ts/endpoint/watch.js'

test('a watcher gets the value at once, then only the newest, and ends', async (t) => {
  let value = 1
  const watched = new Watched(() => value)
  const watcher = watched.watch()[Symbol.asyncIterator]()
  t.deepEqual(await watcher.next(), { value: 1, done: false })
  for (value = 2; value < 5; value++) watched.changed()
  t.deepEqual(await watcher.next(), { value: 5, done: false })
  const waiting = watcher.next()
  watched.changed()
  t.deepEqual(await waiting, { value: 5, done: false })
  const last = watcher.next()
  watched.end()
  t.deepEqual(await last, { value: undefined, done: true })
  t.deepEqual(await watched.watch()[Symbol.asyncIterator]().next(), { value: undefined, done: true })
})

test('leaving tells whoever started', async (t) => {
  const watched = new Watched(() => 1)
  let running = 0
  const start = () => {
    running++
    return () => {
      running--
    }
  }
  for await (const _ of watched.watch(start)) {
    t.is(running, 1)
    t.is(watched.size, 1)
    break
  }
  t.is(running, 0)
  t.is(watched.size, 0)
})
