// Names and their blobs.
import { type Hash, text } from '../wire/bytes.js'
import { string } from '../wire/check.js'
import type { Target } from './add.js'
import { packHashes, toHash } from './hash.js'
import type { BlobInfo, CollectionEntry } from './info.js'
import { type AddOptions, adding, attention, formatOf } from './options.js'
import { attend } from './progress.js'
import type { StoreCore } from './store-core.js'

/** Needs the list and the names; of a content whose size is not proven here it is 0. */
export async function collection(core: StoreCore, hash: Hash | Uint8Array): Promise<CollectionEntry[]> {
  const what = toHash(hash, 'hash')
  return core.call(
    (native, id, store) => native.collectionLoad(id, store, what),
    (_, body) => JSON.parse(text(body)) as CollectionEntry[],
  )
}

export async function createCollection(
  { core, batch }: Target,
  entries: Iterable<{ readonly name: string; readonly hash: Hash | Uint8Array }>,
  options?: AddOptions,
): Promise<BlobInfo> {
  if (typeof entries !== 'object' || entries === null || !(Symbol.iterator in entries)) {
    throw new TypeError('entries: expected an iterable of { name, hash }')
  }
  const names: string[] = []
  const hashes: Hash[] = []
  for (const entry of entries) {
    const at = `entries[${names.length}]`
    if (typeof entry !== 'object' || entry === null) throw new TypeError(`${at}: expected { name, hash }`)
    names.push(string(entry.name, `${at}.name`))
    hashes.push(toHash(entry.hash, `${at}.hash`))
  }
  // A collection is a list of hashes, whatever else is said.
  formatOf(options?.format)
  const wish = adding(options, batch, 'hashSeq')
  const packed = packHashes(hashes)
  return attend(core, attention(options), ({ signal, sub }) =>
    core.call(
      (native, id, store) => native.collectionCreate(id, store, names, packed, { ...wish, progress: sub }),
      (_, body) => ({ ...(JSON.parse(text(body)) as { hash: Hash; size: number }), format: 'hashSeq' as const }),
      signal,
    ),
  )
}
