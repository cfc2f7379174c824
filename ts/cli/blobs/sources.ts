// What `send` and `blob add` take in: files and folders, looked at before anything is imported.
import { lstat, readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { checkNames } from './names.js'

/** One path of the command line. */
export interface Source {
  /** Absolute. */
  readonly path: string
  /** The name of the file, or the first component of all names in the folder. */
  readonly name: string
  readonly kind: 'file' | 'directory'
  readonly files: number
  readonly bytes: number
}

/** All of them. */
export interface Sources {
  readonly list: readonly Source[]
  readonly files: number
  readonly bytes: number
  /** What is neither file nor folder: links, sockets, devices. At most some are named. */
  readonly skipped: { readonly count: number; readonly some: readonly string[] }
}

const MAX_NAMED = 5
/** Files looked at side by side. */
const AT_ONCE = 64

/**
 * Looks at every file below the paths. A link on the command line is followed, others are skipped.
 *
 * @throws {GaiwanError} `UNSAFE_NAME`: a name that no receiver could write, or two paths of one name.
 * @throws {Error} a path that cannot be read, is neither file nor folder, has no name, or a folder without a file.
 */
export async function lookAt(paths: readonly string[], signal: AbortSignal): Promise<Sources> {
  const list: Source[] = []
  const names: string[] = []
  const skipped = { count: 0, some: [] as string[] }
  for (const given of paths) {
    const path = resolve(given)
    const name = basename(path)
    if (name === '') throw new Error(`${path} has no name to send it under`)
    const status = await stat(path)
    if (status.isFile()) {
      list.push({ path, name, kind: 'file', files: 1, bytes: status.size })
      names.push(name)
    } else if (status.isDirectory()) {
      const before = names.length
      const bytes = await walk(path, name, { names, skipped, signal })
      if (names.length === before) throw new Error(`there is no file in ${path}`)
      list.push({ path, name, kind: 'directory', files: names.length - before, bytes })
    } else throw new Error(`${path} is neither a file nor a folder`)
  }
  checkNames(names)
  return { list, files: names.length, bytes: list.reduce((sum, { bytes }) => sum + bytes, 0), skipped }
}

interface Found {
  readonly names: string[]
  readonly skipped: { count: number; some: string[] }
  readonly signal: AbortSignal
}

/** Adds the names of all regular files below a folder; answers their bytes. */
async function walk(top: string, prefix: string, { names, skipped, signal }: Found): Promise<number> {
  let bytes = 0
  const folders = [{ path: top, prefix }]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted()
    const files: string[] = []
    for (const entry of await readdir(folder.path, { withFileTypes: true })) {
      const path = join(folder.path, entry.name)
      if (entry.isDirectory()) folders.push({ path, prefix: `${folder.prefix}/${entry.name}` })
      else if (entry.isFile()) {
        names.push(`${folder.prefix}/${entry.name}`)
        files.push(path)
      } else if (skipped.count++ < MAX_NAMED) skipped.some.push(path)
    }
    for (let n = 0; n < files.length; n += AT_ONCE) {
      for (const { size } of await Promise.all(files.slice(n, n + AT_ONCE).map((path) => lstat(path)))) bytes += size
    }
  }
  return bytes
}
