import { readFileSync } from 'node:fs'
import test from 'ava'
import { hash } from '../../ts/blobs/index.js'
import { inMemory, KINDS, mod251 } from '../helpers/store.js'

interface Vectors {
  collections: Array<{
    note: string
    files: Array<{ name: string; content_hex?: string; content?: string; hash: string }>
    meta_hash: string
    hashseq_hex: string
    hash: string
  }>
}
const { collections } = JSON.parse(readFileSync(new URL('../../vectors/blobs.json', import.meta.url), 'utf8')) as Vectors

for (const [kind, make] of KINDS) {
  test(`${kind}: collections are those of the vectors`, async (t) => {
    const store = await make(t)
    t.is(collections.length, 3)
    for (const { note, files, meta_hash, hashseq_hex, hash: expected } of collections) {
      const entries = []
      for (const { name, content_hex, content, hash: child } of files) {
        const bytes = content_hex === undefined ? mod251(Number(content!.replace('pattern ', ''))) : Buffer.from(content_hex, 'hex')
        const info = await store.add(bytes, { tag: null })
        t.is(info.hash, child, note)
        entries.push({ name, hash: info.hash, size: info.size })
      }
      const info = await store.createCollection(new Set(entries), { tag: note })
      t.deepEqual(info, { hash: expected, size: hashseq_hex.length / 2, format: 'hashSeq' }, note)
      t.is(Buffer.from(await store.get(expected)).toString('hex'), hashseq_hex, note)
      t.true(await store.has(meta_hash), note)
      t.deepEqual(await store.collection(expected), entries, note)
      t.is((await store.tags.get(note))?.format, 'hashSeq')
    }
    t.is((await store.gc()).deleted, 0)
  })
}

test('what is no collection is COLLECTION_INVALID', async (t) => {
  const store = inMemory(t)
  const text = await store.add('CollectionV1.\0')
  const list = await store.add(Buffer.from(text.hash, 'hex'))
  for (const it of ['', 'not a list', mod251(33)])
    await t.throwsAsync(store.collection((await store.add(it)).hash), { code: 'COLLECTION_INVALID' })
  await t.throwsAsync(store.collection(list.hash), { code: 'COLLECTION_INVALID' })
  await t.throwsAsync(store.collection(hash('absent')), { code: 'BLOB_NOT_FOUND' })
  const names = await store.createCollection([{ name: 'x', hash: text.hash }], { tag: null })
  const seq = await store.get(names.hash)
  // G5: fewer, or more, children than names.
  for (const wrong of [seq.subarray(0, 32), Buffer.concat([seq, seq.subarray(32)])]) {
    await t.throwsAsync(store.collection((await store.add(wrong)).hash), { code: 'COLLECTION_INVALID' })
  }
})

test('a collection of which only the list and the names are here is read, without sizes', async (t) => {
  const store = inMemory(t)
  const here = await store.add('tea')
  const [long, absent] = ['ü'.repeat(100), hash('absent')]
  const root = await store.createCollection([
    { name: 'here', hash: here.hash },
    { name: long, hash: absent },
    { name: '', hash: absent },
  ])
  t.deepEqual(await store.collection(root.hash), [
    { name: 'here', hash: here.hash, size: 3 },
    { name: long, hash: absent, size: 0 },
    { name: '', hash: absent, size: 0 },
  ])
  await store.tags.delete({})
  const seq = await store.get(root.hash)
  await store.delete([seq.subarray(0, 32)])
  await t.throwsAsync(store.collection(root.hash), { code: 'BLOB_NOT_FOUND' })
})

test('names beyond the limits are COLLECTION_INVALID, wrong entries TypeErrors that name the argument', async (t) => {
  const store = inMemory(t)
  const it = hash('x')
  await t.throwsAsync(store.createCollection([{ name: 'x'.repeat(5_000), hash: it }]), { code: 'COLLECTION_INVALID' })
  const wrong = (entries: unknown, message: RegExp) =>
    t.throwsAsync(store.createCollection(entries as never), { instanceOf: TypeError, message })
  for (const entries of [null, undefined, 5, {}]) await wrong(entries, /^entries: /)
  await wrong([{ name: 'a', hash: it }, null], /^entries\[1\]: /)
  await wrong([{ name: 5, hash: it }], /^entries\[0\]\.name: /)
  await wrong([{ name: 'a', hash: 'nope' }], /^entries\[0\]\.hash: /)
})
