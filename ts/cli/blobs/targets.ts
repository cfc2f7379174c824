// Where a collection goes: what is there already, found before a byte is fetched and again before one is written.
import type { Stats } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { GaiwanError } from '../../index.js'
import { printable } from '../output.js'

/** A file to write: its name, `/` between components, and what it will hold. */
export interface Wanted {
  readonly name: string
  readonly hash: string
}

/** What stands where files are to go. */
export interface Standing {
  /** Names of files that have the wanted content already. */
  readonly same: readonly string[]
  /** Names of files with other content. */
  readonly other: readonly string[]
}

/**
 * Looks at the place of every file below `directory`, following no link below it.
 *
 * @param hashFile the hash of what is in a file.
 * @throws {GaiwanError} `TARGET_EXISTS` for what can't be replaced by a file: a folder in its place, a file or a link in the place of a folder.
 */
export async function standing(
  directory: string,
  wanted: readonly Wanted[],
  hashFile: (path: string) => Promise<string>,
): Promise<Standing> {
  const same: string[] = []
  const other: string[] = []
  const folders = new Map<string, boolean>()
  for (const { name, hash } of wanted) {
    if (!(await hasFolder(directory, name, folders))) continue
    const found = await lookup(join(directory, name))
    if (found === null) continue
    if (found.isDirectory()) throw blocked(name, 'is a folder there')
    if (found.isSymbolicLink()) other.push(name)
    else if (!found.isFile()) throw blocked(name, 'is neither a file nor a folder there')
    else (await hashFile(join(directory, name))) === hash ? same.push(name) : other.push(name)
  }
  return { same, other }
}

/** Whether the folder of a name is there. */
async function hasFolder(directory: string, name: string, known: Map<string, boolean>): Promise<boolean> {
  const components = name.split('/').slice(0, -1)
  for (let depth = 1; depth <= components.length; depth++) {
    const folder = components.slice(0, depth).join('/')
    let there = known.get(folder)
    if (there === undefined) {
      const found = await lookup(join(directory, folder))
      if (found !== null && !found.isDirectory()) throw blocked(folder, found.isSymbolicLink() ? 'is a link there' : 'is no folder there')
      there = found !== null
      known.set(folder, there)
    }
    if (!there) return false
  }
  return true
}

/**
 * Fails for files that would be replaced without leave.
 *
 * @throws {GaiwanError} `TARGET_EXISTS`, with the first of them and how many there are.
 */
export function allow({ other }: Standing, directory: string, overwrite: boolean): void {
  if (overwrite || other.length === 0) return
  const more = other.length === 1 ? '' : ` and ${other.length - 1} more`
  throw new GaiwanError('TARGET_EXISTS', `${printable(join(directory, other[0]!))}${more} exists already; --overwrite replaces it`)
}

/** @throws {GaiwanError} `TARGET_EXISTS` when the target is something else than a folder or nothing. A link to a folder is one: the user named it. */
export async function checkDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch(absent)
  if (found !== null && !found.isDirectory()) throw new GaiwanError('TARGET_EXISTS', `${printable(directory)} is no folder`)
}

async function lookup(path: string): Promise<Stats | null> {
  return await lstat(path).catch(absent)
}

function absent(error: unknown): null {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null
  throw error
}

function blocked(name: string, why: string): GaiwanError {
  return new GaiwanError('TARGET_EXISTS', `${printable(name)} ${why}; nothing was written`)
}
