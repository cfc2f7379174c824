// What repos tell each other about the heads of third ones.
import { type Chunk, type DocHandleRemoteHeadsPayload, StorageAdapter, type StorageKey } from '@automerge/automerge-repo'
import test from 'ava'
import { desk, find, met, moves } from './network.js'

interface List {
  items: string[]
}

/** Only a repo with a storage has a storage id. */
class Shelf extends StorageAdapter {
  readonly #chunks = new Map<string, Chunk>()

  async load(key: StorageKey): Promise<Uint8Array | undefined> {
    return this.#chunks.get(key.join('/'))?.data
  }

  async save(key: StorageKey, data: Uint8Array): Promise<void> {
    this.#chunks.set(key.join('/'), { key, data })
  }

  async remove(key: StorageKey): Promise<void> {
    this.#chunks.delete(key.join('/'))
  }

  async loadRange(prefix: StorageKey): Promise<Chunk[]> {
    return [...this.#chunks.values()].filter(({ key }) => prefix.every((part, n) => key[n] === part))
  }

  async removeRange(prefix: StorageKey): Promise<void> {
    for (const { key } of await this.loadRange(prefix)) await this.remove(key)
  }
}

test('heads of a peer that is further away arrive, and nobody is lost over it', async (t) => {
  const repo = () => ({ repo: { enableRemoteHeadsGossiping: true, storage: new Shelf() } })
  const a = await desk(t, repo())
  const b = await desk(t, { peers: [a.endpoint.addr], ...repo() })
  await Promise.all([met(a, b), met(b, a)])
  const here = a.repo.create<List>({ items: ['sencha'] })
  await find<List>(b, here.url, ({ items }) => items.length === 1)
  const c = await desk(t, { peers: [b.endpoint.addr], ...repo() })
  await Promise.all([met(b, c), met(c, b)])
  const far = await find<List>(c, here.url, ({ items }) => items.length === 1)
  const storageId = await c.repo.storageId()
  const told = new Promise<DocHandleRemoteHeadsPayload>((resolve) => {
    here.on('remote-heads', (payload) => {
      if (payload.storageId === storageId) resolve(payload)
    })
  })
  a.repo.subscribeToRemotes([storageId!])
  far.change((doc) => void doc.items.push('oolong'))
  const { heads, timestamp } = await told
  t.true(heads.length === 1)
  t.true(timestamp > 2 ** 32, 'a time of today needs more than 32 bits')
  t.deepEqual([moves(a).length, moves(b).length, moves(c).length], [1, 2, 1])
})
