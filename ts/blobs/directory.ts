// A directory, into the store as a collection.
import { resolve } from 'node:path'
import { text } from '../wire/bytes.js'
import { func, string } from '../wire/check.js'
import type { Target } from './add.js'
import type { CollectionEntry, CollectionInfo } from './info.js'
import { Loan } from './loan.js'
import { type AddDirectoryOptions, adding, attention, isReference } from './options.js'
import { attend } from './progress.js'

/** Names are relative to `path`, so that exporting to a new directory makes a copy of this one. */
export async function addDirectory({ core, batch }: Target, path: string, options?: AddDirectoryOptions): Promise<CollectionInfo> {
  const directory = resolve(string(path, 'path'))
  const watch = attention(options)
  const wish = adding(options, batch, 'hashSeq')
  const reference = isReference(options?.mode)
  const filter = options?.filter
  if (filter !== undefined) func(filter, 'filter')
  return attend(core, watch, async ({ signal, sub }) => {
    const { folder, names } = await core.call(
      (native, id, store) => native.folderWalk(id, store, directory, filter !== undefined),
      (handle, body) => ({ folder: new Loan(core, handle), names: body }),
      signal,
    )
    try {
      const keep = filter && kept(JSON.parse(text(names)) as string[], filter)
      const { entries, hash, size } = await core.call(
        (native, id, store) => native.folderImport(id, store, folder.handle, keep, reference, { ...wish, progress: sub }),
        (_, body) => JSON.parse(text(body)) as { entries: CollectionEntry[]; hash: string; size: number },
        signal,
      )
      const totalBytes = entries.reduce((sum, entry) => sum + entry.size, 0)
      return { hash, size, format: 'hashSeq', entries, totalBytes }
    } finally {
      folder.end()
    }
  })
}

/** A byte for each name: whether it stays. */
function kept(names: readonly string[], filter: (name: string) => boolean): Uint8Array {
  return Uint8Array.from(names, (name) => {
    const keep = filter(name)
    // A promise would be true whatever it holds.
    if (typeof keep !== 'boolean') throw new TypeError('filter: expected it to answer true or false')
    return Number(keep)
  })
}
