// Stored bytes that went bad behind the store's back.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { BlobStore } from '../../ts/blobs/index.js'
import { getter, pattern251, provider } from './network.js'

test('P10: a blob that could not be served as it is claimed is not claimed any more, and a download from another peer repairs it', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'gaiwan-damage-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const store = await BlobStore.open(directory)
  t.teardown(() => store.close())
  const bytes = pattern251(300_000)
  const [damaged, good, to] = [await provider(t, {}, store), await provider(t), await getter(t)]
  const { hash } = await store.add(bytes)
  await good.store.add(bytes)
  const file = join(directory, 'data', `${hash}.data`)
  const bad = readFileSync(file)
  bad[100_000]! ^= 1
  writeFileSync(file, bad)
  t.true(await store.has(hash))
  await t.throwsAsync(async () => to.blobs.download(damaged.blobs.ticket(hash)), { code: 'PROVIDER_FAILED' })
  for await (const { isComplete, sizeVerified } of store.observe(hash)) {
    t.true(sizeVerified)
    if (!isComplete) break
  }
  t.false(await store.has(hash))
  t.deepEqual(await store.status(hash), {
    state: 'partial',
    size: 300_000,
    sizeVerified: true,
    ranges: [
      { start: 0, end: 98_304 },
      { start: 114_688, end: 300_000 },
    ],
  })
  t.is((await damaged.blobs.download(good.blobs.ticket(hash))).stats.payloadBytesRead, 16_384)
  t.deepEqual(new Uint8Array(await store.get(hash)), bytes)
  t.is((await to.blobs.download(damaged.blobs.ticket(hash))).size, 300_000)
})
