// What lies in a folder.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Names of all regular files below a folder, sorted. */
export function filesBelow(top: string, prefix = ''): string[] {
  return readdirSync(join(top, prefix), { withFileTypes: true })
    .flatMap((entry) => {
      const name = prefix === '' ? entry.name : `${prefix}/${entry.name}`
      return entry.isDirectory() ? filesBelow(top, name) : entry.isFile() ? [name] : []
    })
    .sort()
}
