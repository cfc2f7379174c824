import test from 'ava'
import { BlobStore, hash, type Tag } from '../../ts/blobs/index.js'
import { all, inFolder, inMemory, KINDS } from '../helpers/store.js'

const one = hash('one')
const two = hash('two')
const names = (tags: readonly Tag[]) => tags.map((tag) => Buffer.from(tag.name).toString('latin1'))

for (const [kind, make] of KINDS) {
  test(`${kind}: tags are set, replaced, got, renamed and deleted`, async (t) => {
    const { tags } = await make(t)
    t.is(await tags.get('a'), null)
    await tags.set('a', one)
    await tags.set('a', Buffer.from(two, 'hex'), 'hashSeq')
    const bytes = new Uint8Array([0x61])
    t.deepEqual(await tags.get(bytes), { name: bytes, nameText: 'a', hash: two, format: 'hashSeq' })
    await tags.set('b', one)
    await tags.rename('a', 'b')
    t.is(await tags.get('a'), null)
    t.is((await tags.get('b'))?.hash, two)
    await t.throwsAsync(tags.rename('a', 'c'), { code: 'TAG_NOT_FOUND' })
    const made = await tags.create(one, 'raw')
    t.regex(made.nameText, /^auto-/)
    t.is(await tags.delete('b'), 1)
    t.is(await tags.delete('b'), 0)
    t.deepEqual(await all(tags.list()), [made])
  })

  test(`${kind}: lists are in byte order, by prefix, range and format, over many pages`, async (t) => {
    const { tags } = await make(t)
    for (const name of ['b', 'a', 'ab', 'a\u00ff']) await tags.set(Buffer.from(name, 'latin1'), one, name === 'ab' ? 'hashSeq' : 'raw')
    await tags.set(Uint8Array.of(0xff, 0xff), two)
    t.deepEqual(names(await all(tags.list())), ['a', 'ab', 'a\u00ff', 'b', '\u00ff\u00ff'])
    t.deepEqual(names(await all(tags.list('a'))), ['a', 'ab', 'a\u00ff'])
    t.deepEqual(names(await all(tags.list(Uint8Array.of(0x61, 0xff)))), ['a\u00ff'])
    t.deepEqual(names(await all(tags.list({ prefix: Uint8Array.of(0xff) }))), ['\u00ff\u00ff'])
    t.deepEqual(names(await all(tags.list({ from: 'ab', to: 'b' }))), ['ab', 'a\u00ff'])
    t.deepEqual(names(await all(tags.list({ from: 'b', to: 'ab' }))), [])
    t.deepEqual(names(await all(tags.list({ prefix: 'a', format: 'hashSeq' }))), ['ab'])
    // With the prefix `61 ff` the reference deletes `b` too.
    t.is(await tags.delete({ prefix: Uint8Array.of(0x61, 0xff) }), 1)
    t.is(await tags.delete({ format: 'hashSeq' }), 1)
    t.is(await tags.delete({}), 3)
    const many = Array.from({ length: 1_100 }, (_, n) => `tag ${String(n).padStart(5, '0')}`)
    await Promise.all(many.map((name) => tags.set(name, one)))
    t.deepEqual(names(await all(tags.list('tag'))), many)
    for await (const tag of tags.list()) {
      t.is(tag.nameText, many[0]!)
      break
    }
  })
}

test('tags survive the close of a directory', async (t) => {
  const { store, directory } = await inFolder(t)
  const { hash: it } = await store.add('tea', { tag: 'kept' })
  await store.close()
  const again = await BlobStore.open(directory)
  t.teardown(() => again.close())
  t.is((await again.tags.get('kept'))?.hash, it)
  t.is((await again.gc()).deleted, 0)
})

test('wrong arguments are TypeErrors that name the argument', async (t) => {
  const { tags } = inMemory(t)
  await t.throwsAsync(tags.set(5 as never, one), { instanceOf: TypeError, message: /^name: / })
  await t.throwsAsync(tags.set('a', 'nope'), { instanceOf: TypeError, message: /^hash: / })
  await t.throwsAsync(tags.set('a', one, 'HashSeq' as never), { instanceOf: TypeError, message: /^format: / })
  await t.throwsAsync(tags.rename('a', null as never), { instanceOf: TypeError, message: /^to: / })
  await t.throwsAsync(tags.delete(null as never), { instanceOf: TypeError, message: /^what: / })
  await t.throwsAsync(tags.delete(undefined as never), { instanceOf: TypeError, message: /^what: / })
  t.throws(() => tags.list({ prefix: 5 as never }), { instanceOf: TypeError, message: /^what\.prefix: / })
  t.throws(() => tags.list({ format: 'x' as never }), { instanceOf: TypeError, message: /^what\.format: / })
})
