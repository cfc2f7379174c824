// Blobs and collections as files.
import { resolve } from 'node:path'
import { type Hash, text } from '../wire/bytes.js'
import { string } from '../wire/check.js'
import { toHash } from './hash.js'
import { attention, type ExportOptions, exporting } from './options.js'
import { attend } from './progress.js'
import { nothing, type StoreCore } from './store-core.js'

export async function exportBlob(core: StoreCore, hash: Hash | Uint8Array, path: string, options?: ExportOptions): Promise<void> {
  const what = toHash(hash, 'hash')
  const target = resolve(string(path, 'path'))
  const wish = exporting(options)
  return attend(core, attention(options), ({ signal, sub }) =>
    core.call((native, id, store) => native.blobExport(id, store, what, target, { ...wish, progress: sub }), nothing, signal),
  )
}

export async function exportCollection(
  core: StoreCore,
  hash: Hash | Uint8Array,
  directory: string,
  options?: ExportOptions,
): Promise<string[]> {
  const what = toHash(hash, 'hash')
  const target = resolve(string(directory, 'directory'))
  const wish = exporting(options)
  return attend(core, attention(options), ({ signal, sub }) =>
    core.call(
      (native, id, store) => native.collectionExport(id, store, what, target, { ...wish, progress: sub }),
      (_, body) => JSON.parse(text(body)) as string[],
      signal,
    ),
  )
}
