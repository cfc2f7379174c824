// The directory of another store, into this one.
import { resolve } from 'node:path'
import { type Hash, text } from '../wire/bytes.js'
import { string } from '../wire/check.js'
import { attention, isReference, type ProgressOptions } from './options.js'
import { attend } from './progress.js'
import type { StoreCore } from './store-core.js'

export interface StoreImportOptions extends ProgressOptions {
  /** Of files of the user that the other store refers to: keep a copy, or refer to them too ['copy']. What it owns is copied. */
  readonly mode?: 'copy' | 'reference'
}

/** What came in; what was there before is not counted. */
export interface StoreImport {
  /** That are complete now. */
  readonly blobs: number
  /** Of all that came in. */
  readonly bytes: number
  /** Of which a part came in. */
  readonly partial: number
  /** That are new. */
  readonly tags: number
  /** Blobs that did not come in, or not all of them; and what a tag names whose name is in use here for something else. */
  readonly failed: readonly { readonly hash: Hash; readonly message: string }[]
}

export async function importStore(core: StoreCore, directory: string, options?: StoreImportOptions): Promise<StoreImport> {
  const path = resolve(string(directory, 'directory'))
  const watch = attention(options)
  const reference = isReference(options?.mode)
  return attend(core, watch, ({ signal, sub }) =>
    core.call(
      (native, id, store) => native.storeImport(id, store, path, reference, sub),
      (_, body) => JSON.parse(text(body)) as StoreImport,
      signal,
    ),
  )
}
