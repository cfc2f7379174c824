// From what a URL asks for to what is there.
import type { Hash } from '../../wire/bytes.js'
import type { Collections } from './collections.js'
import { below, type Listing } from './listing.js'
import type { GatewayStore } from './options.js'
import type { Target } from './target.js'

/** Something that can be answered. */
export type Found =
  | { readonly kind: 'blob'; readonly hash: Hash; readonly size: number; readonly name: string | null }
  | { readonly kind: 'listing'; readonly listing: Listing }

/** Null if the store has nothing complete under that address. */
export async function resolve(store: GatewayStore, collections: Collections, { hash, path, filename }: Target): Promise<Found | null> {
  const root = await store.status(hash)
  if (root.state !== 'complete') return null
  const directory = await collections.of(hash, root.size)
  if (directory === null) return path === null ? { kind: 'blob', hash, size: root.size, name: filename } : null
  const entry = directory.byName.get(path ?? '')
  if (path !== null && entry !== undefined) {
    const status = await store.status(entry.hash)
    if (status.state !== 'complete') return null
    return { kind: 'blob', hash: entry.hash, size: status.size, name: filename ?? entry.name }
  }
  const name = (path ?? '').replace(/\/$/, '')
  const entries = below(directory.entries, name)
  if (entries === null) return null
  return { kind: 'listing', listing: { hash, directory: name, entries, slash: path?.endsWith('/') || path === '' } }
}
