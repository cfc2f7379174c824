// What of the compiled files a user can reach, from the manifest on. The rest does not ship.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, posix } from 'node:path'
import { root } from './steps.mjs'

/** Every path that the manifest names as something to load, types too. */
export function entries({ exports, bin, types, typesVersions }) {
  const leaves = (value) => {
    if (typeof value === 'string') return [posix.normalize(value)]
    return value && typeof value === 'object' ? Object.values(value).flatMap(leaves) : []
  }
  return [...new Set([exports, bin, types, typesVersions].flatMap(leaves))]
}

/** What a compiled file imports of the package; declarations import declarations. */
function imports(path) {
  const declares = /\.d\.c?ts$/.test(path)
  const found = readFileSync(join(root, path), 'utf8').matchAll(/(?:\bfrom |\bimport |\bimport\(|\brequire\(|\)\()['"](\.[^'"]+)['"]/g)
  return [...found]
    .map(([, name]) => posix.join(posix.dirname(path), name))
    .map((name) => (declares ? name.replace(/\.(c?)js$/, '.d.$1ts') : name))
}

/** The files that are reached from the manifest, in the order of their names; prebuilt addons are the loader's matter and are left out. */
export function reached(manifest) {
  const todo = entries(manifest)
  const seen = new Set()
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    if (seen.has(path) || path.endsWith('.node')) continue
    seen.add(path)
    if (/\.(c?js|d\.c?ts)$/.test(path)) todo.push(...imports(path))
  }
  return [...seen].sort()
}

/** Removes what lies in `folder` and is not reached. */
export function prune(folder, manifest) {
  const kept = new Set(reached(manifest))
  for (const path of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
    const name = `${folder}/${path.replaceAll('\\', '/')}`
    if (/\.\w+$/.test(name) && !kept.has(name) && existsSync(join(root, name))) rmSync(join(root, name))
  }
}
