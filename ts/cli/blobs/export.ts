// Writes what is in a store to files, or to stdout.
import { once } from 'node:events'
import { join } from 'node:path'
import type { CollectionEntry, FileProgress } from '../../blobs/index.js'
import { Interrupted } from '../output.js'
import type { Kit, Store } from './kit.js'
import type { Meter } from './meter.js'
import { checkNames } from './names.js'
import { allow, checkDirectory, standing } from './targets.js'

export interface WriteOptions {
  readonly overwrite: boolean
  /** 'reference' moves the data out where it can: for stores that go afterwards. */
  readonly mode: 'copy' | 'reference'
  readonly signal: AbortSignal
  readonly meter: Meter
}

/**
 * Fails now for what would fail later: names that could do harm, files that are in the way.
 *
 * @throws {GaiwanError} `UNSAFE_NAME`, `TARGET_EXISTS`.
 */
export async function checkTargets(
  kit: Kit,
  entries: readonly Pick<CollectionEntry, 'name' | 'hash'>[],
  directory: string,
  { overwrite, signal }: Pick<WriteOptions, 'overwrite' | 'signal'>,
): Promise<{ readonly same: readonly string[] }> {
  checkNames(entries.map(({ name }) => name))
  await checkDirectory(directory)
  const found = await standing(directory, entries, (path) => kit.hashFile(path, signal))
  allow(found, directory, overwrite)
  return found
}

/** Writes a collection below a folder. Files that have the content already may be there. Answers the paths. */
export async function writeCollection(kit: Kit, store: Store, hash: string, directory: string, options: WriteOptions): Promise<string[]> {
  const entries = await store.collection(hash)
  const { same } = await checkTargets(kit, entries, directory, options)
  const paths = entries.map(({ name }) => join(directory, name))
  if (same.length === entries.length && entries.length > 0) return paths
  const totalBytes = entries.reduce((sum, { size }) => sum + size, 0)
  // The same content over the same content harms nobody, and spares us to write file by file. But what was moved out by a run
  // that was cut short may be the very file: that is only copied over itself.
  const again = same.length > 0 ? ({ overwrite: true, mode: 'copy' } as const) : { overwrite: options.overwrite }
  await store.exportCollection(hash, directory, { ...settings(options, totalBytes), ...again })
  options.meter.done()
  return paths
}

/** Writes one blob to a file. */
export async function writeBlob(
  kit: Kit,
  store: Store,
  hash: string,
  directory: string,
  name: string,
  options: WriteOptions,
): Promise<string> {
  const path = join(directory, name)
  const { same } = await checkTargets(kit, [{ name, hash }], directory, options)
  if (same.length > 0) return path
  const status = await store.status(hash)
  await store.export(hash, path, { ...settings(options, status.state === 'complete' ? status.size : null), overwrite: options.overwrite })
  options.meter.done()
  return path
}

function settings({ mode, signal, meter }: WriteOptions, totalBytes: number | null) {
  const onProgress = ({ bytes, name }: FileProgress) =>
    meter.update({ phase: 'writing', bytes, totalBytes, ...(name !== undefined && { name }) })
  return { mode, signal, onProgress }
}

/**
 * Writes verified bytes to stdout, as fast as they are taken. A reader that goes away is no failure: it has what it wanted.
 *
 * @param end exclusive [the end of the blob]
 */
export async function writeToStdout(
  store: Store,
  hash: string,
  signal: AbortSignal,
  { start = 0, end }: { start?: number; end?: number } = {},
): Promise<void> {
  const { stdout } = process
  const gone = new AbortController()
  const leave = (error: Error) => gone.abort(error)
  stdout.on('error', leave)
  const either = AbortSignal.any([signal, gone.signal])
  try {
    for await (const chunk of store.read(hash, { start, ...(end !== undefined && { end }), signal: either })) {
      if (!stdout.write(chunk)) await once(stdout, 'drain', { signal: either })
    }
    await new Promise<void>((resolve, reject) => {
      either.addEventListener('abort', () => reject(either.reason), { once: true })
      stdout.write('', (error) => (error ? reject(error) : resolve()))
    })
  } catch (error) {
    if (signal.aborted) throw signal.reason instanceof Interrupted ? signal.reason : error
    if (!gone.signal.aborted) throw error
    if ((gone.signal.reason as NodeJS.ErrnoException).code !== 'EPIPE') throw gone.signal.reason
  } finally {
    stdout.off('error', leave)
  }
}
