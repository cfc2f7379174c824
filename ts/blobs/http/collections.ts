// Which blobs are collections. What a hash names never changes, so each is read once and kept for a while.
import { GaiwanError } from '../../errors.js'
import type { Hash } from '../../wire/bytes.js'
import type { CollectionEntry } from '../index.js'
import type { GatewayStore } from './options.js'

/** A collection that can be looked up by name. */
export interface Directory {
  readonly entries: readonly CollectionEntry[]
  /** The first of that name, where several have it. */
  readonly byName: ReadonlyMap<string, CollectionEntry>
}

const HASH_BYTES = 32
/** BLAKE3 of nothing. */
const EMPTY = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
/** Entries kept, over all collections. */
const MAX_KEPT = 200_000

export class Collections {
  readonly #store: GatewayStore
  readonly #maxEntries: number
  /** Oldest use first. */
  readonly #kept = new Map<Hash, Directory>()
  #entries = 0

  constructor(store: GatewayStore, maxEntries: number) {
    this.#store = store
    this.#maxEntries = maxEntries
  }

  /** Null if a complete blob of `size` bytes is no collection, one whose names are not here, or too long. */
  async of(hash: Hash, size: number): Promise<Directory | null> {
    // One hash for the names and one for each entry.
    if (size === 0 || size % HASH_BYTES !== 0 || size / HASH_BYTES - 1 > this.#maxEntries) return null
    const kept = this.#kept.get(hash)
    if (kept !== undefined) {
      this.#kept.delete(hash)
      this.#kept.set(hash, kept)
      return kept
    }
    const found = await this.#read(hash)
    if (found !== null) this.#keep(hash, found)
    return found
  }

  async #read(hash: Hash): Promise<Directory | null> {
    try {
      const entries = await this.#store.collection(hash)
      const byName = new Map<string, CollectionEntry>()
      for (const entry of entries) if (!byName.has(entry.name)) byName.set(entry.name, entry)
      return { entries, byName }
    } catch (error) {
      // Most blobs of such a length are no collections.
      if (GaiwanError.is(error, 'COLLECTION_INVALID', 'BLOB_NOT_FOUND', 'BLOB_INCOMPLETE', 'BLOB_TOO_LARGE')) return null
      throw error
    }
  }

  #keep(hash: Hash, found: Directory): void {
    if (this.#kept.has(hash)) return
    // Sizes that are not known yet will be.
    if (found.entries.some((entry) => entry.size === 0 && entry.hash !== EMPTY)) return
    this.#kept.set(hash, found)
    this.#entries += found.entries.length + 1
    for (const [oldest, { entries }] of this.#kept) {
      if (this.#entries <= MAX_KEPT || oldest === hash) break
      this.#kept.delete(oldest)
      this.#entries -= entries.length + 1
    }
  }
}
