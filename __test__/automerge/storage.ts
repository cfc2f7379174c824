// What a repo keeps, in memory. The package has one too, but its types pull in the package's sources.
import type { Chunk, StorageAdapterInterface, StorageKey } from '@automerge/automerge-repo'

export class MemoryStorage implements StorageAdapterInterface {
  readonly #chunks = new Map<string, { readonly key: StorageKey; readonly data: Uint8Array }>()

  async load(key: StorageKey): Promise<Uint8Array | undefined> {
    return this.#chunks.get(JSON.stringify(key))?.data
  }

  async save(key: StorageKey, data: Uint8Array): Promise<void> {
    this.#chunks.set(JSON.stringify(key), { key, data })
  }

  async remove(key: StorageKey): Promise<void> {
    this.#chunks.delete(JSON.stringify(key))
  }

  async loadRange(prefix: StorageKey): Promise<Chunk[]> {
    return [...this.#chunks.values()].filter(({ key }) => prefix.every((part, n) => key[n] === part))
  }

  async removeRange(prefix: StorageKey): Promise<void> {
    for (const { key } of await this.loadRange(prefix)) await this.remove(key)
  }
}
