// The runtimes that the tarball is tried on. They come as npm packages, pinned in runtimes/package.json, for Linux on x64; elsewhere the
// node that runs the tests is the only one.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { top } from './folders.js'

const packages = join(top, '__test__/package/runtimes/node_modules')

/** Whether there is a package of each runtime for this system. */
export const complete = process.platform === 'linux' && process.arch === 'x64'

/** Every node by the name of its package, `node-20` and so on. */
export function nodes(): Array<{ name: string; path: string }> {
  const names = existsSync(packages) ? readdirSync(packages).filter((name) => /^node-\d+$/.test(name)) : []
  const found = names.map((name) => ({ name, path: join(packages, name, 'bin/node') }))
  return found.length ? found : [{ name: 'this node', path: process.execPath }]
}

export const bun = join(packages, '@oven/bun-linux-x64/bin/bun')
export const deno = join(packages, '@deno/linux-x64-glibc/deno')
