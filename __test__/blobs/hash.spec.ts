import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { hash, hashFile } from '../../ts/blobs/index.js'
import { folder, inMemory, mod251 } from '../helpers/store.js'

interface Vectors {
  hashes: Array<{ size: number; hash: string; hash_base32: string }>
}
const { hashes } = JSON.parse(readFileSync(new URL('../../vectors/blobs.json', import.meta.url), 'utf8')) as Vectors
const EMPTY = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'

test('hashes in memory and of files are those of the vectors', async (t) => {
  const directory = folder(t)
  t.is(hashes.length, 16)
  for (const { size, hash: expected } of hashes) {
    t.is(hash(mod251(size)), expected)
    const path = join(directory, `${size}.bin`)
    writeFileSync(path, mod251(size))
    t.is(await hashFile(path), expected)
  }
  t.is(hash(''), EMPTY)
})

test('a hash is taken as hex, base32 in either case, or bytes', async (t) => {
  const store = inMemory(t)
  for (const { size, hash_base32, hash: hex } of hashes.slice(1, 3)) {
    await store.add(mod251(size))
    for (const form of [hex, hash_base32, hash_base32.toUpperCase(), Buffer.from(hex, 'hex')]) t.true(await store.has(form))
  }
})

test('a malformed hash is a TypeError that names the argument and quotes nothing', async (t) => {
  const store = inMemory(t)
  const good = hash('x')
  for (const wrong of ['', good.toUpperCase(), good.slice(1), `${good}0`, `${good.slice(1)}g`, new Uint8Array(31), 5, null, undefined]) {
    const error = await t.throwsAsync(store.has(wrong as never), { instanceOf: TypeError })
    t.is(error?.message, 'hash: expected a hash: 64 lowercase hex digits, 52 base32 characters or 32 bytes')
  }
  t.throws(() => store.read('nope'), { instanceOf: TypeError, message: /^hash: / })
  await t.throwsAsync(store.delete([good, 'nope']), { instanceOf: TypeError, message: /^hashes\[1\]: / })
})

test('a file that cannot be hashed is STORE_FAILED, a wrong path a TypeError', async (t) => {
  const directory = folder(t)
  for (const path of [directory, join(directory, 'absent')]) await t.throwsAsync(hashFile(path), { code: 'STORE_FAILED' })
  await t.throwsAsync(hashFile(5 as never), { instanceOf: TypeError, message: 'path: expected a string' })
  t.throws(() => hash(5 as never), { instanceOf: TypeError, message: /^data: / })
})

test('an abort ends the hashing of a file with the reason', async (t) => {
  const path = join(folder(t), 'file')
  writeFileSync(path, new Uint8Array(32 * 1024 * 1024))
  const abort = new AbortController()
  const hashing = hashFile(path, { signal: abort.signal })
  abort.abort('enough')
  t.is(await hashing.catch((reason) => reason), 'enough')
  t.is(await hashFile(path, { signal: AbortSignal.abort('before') }).catch((reason) => reason), 'before')
})
