// Imports what `lookAt` found as one collection.
import type { CollectionInfo } from '../../blobs/index.js'
import type { Store } from './kit.js'
import type { Meter } from './meter.js'
import type { Source, Sources } from './sources.js'

export interface ImportOptions {
  /** 'reference' leaves the files where they are and refers to them. */
  readonly mode: 'copy' | 'reference'
  /** Tag of the collection [one made from the time]. */
  readonly tag?: string
  readonly signal: AbortSignal
  readonly meter: Meter
}

/** What came of it; entries sorted by name, so that the same files always have the same hash. */
export type Imported = Pick<CollectionInfo, 'hash' | 'entries' | 'totalBytes'>

/**
 * One collection of all sources: a file under its name, the files of a folder below the folder's name, as sendme names them.
 * Nothing of it can be collected meanwhile; afterwards the tag holds it.
 */
export async function importSources(store: Store, sources: Sources, { mode, tag, signal, meter }: ImportOptions): Promise<Imported> {
  const batch = store.batch()
  try {
    const entries: Array<{ name: string; hash: string; size: number }> = []
    let bytes = 0
    for (const source of sources.list) {
      const onProgress = progressOf(source, sources, { bytes, files: entries.length }, meter)
      if (source.kind === 'file') {
        const { hash, size } = await batch.addFile(source.path, { mode, tag: null, signal, onProgress })
        entries.push({ name: source.name, hash, size })
      } else {
        const folder = await batch.addDirectory(source.path, { mode, tag: null, signal, onProgress })
        entries.push(...folder.entries.map(({ name, hash, size }) => ({ name: `${source.name}/${name}`, hash, size })))
      }
      bytes += source.bytes
    }
    signal.throwIfAborted()
    entries.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
    const { hash } = await store.createCollection(entries, tag === undefined ? {} : { tag })
    meter.done()
    return { hash, entries, totalBytes: entries.reduce((sum, { size }) => sum + size, 0) }
  } finally {
    await batch.close()
  }
}

/** Progress of one source as progress of all. */
export function progressOf(source: Source, { bytes: totalBytes, files }: Sources, before: { bytes: number; files: number }, meter: Meter) {
  return ({ phase, name, bytes }: { phase: 'copy' | 'hash' | 'write'; name?: string; bytes: number }): void => {
    meter.update({
      phase: phase === 'hash' ? 'hashing' : 'copying',
      bytes: before.bytes + Math.min(bytes, source.bytes),
      totalBytes,
      ...(files > 1 && { files: before.files, totalFiles: files }),
      name: name ?? source.name,
    })
  }
}
