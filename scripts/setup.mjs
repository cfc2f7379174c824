// Makes a checkout ready to run: installs what the lock file says, builds the addon and the facade, each only when it is missing or stale.
// `npm run build` calls it with --force and then builds both in any case.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildNative, nativeAddon, requireTarget } from './build-native.mjs'
import { buildTs, facade } from './build-ts.mjs'
import { isMain, main, must, npm, requireNode, requireRust, root, say } from './lib/steps.mjs'

/** The packages of a lock file by their folder, without the top itself; none when there is no such file. */
function packagesIn(lock) {
  if (!existsSync(join(root, lock))) return {}
  const { '': _top, ...packages } = JSON.parse(readFileSync(join(root, lock), 'utf8')).packages
  return packages
}

/**
 * Whether node_modules of `place` holds what the lock file there says. npm writes down what it installed in a lock file of its own, as its
 * last act, so an install that was cut short does not count. Optional packages for other systems are not there.
 */
export function installed(place = '.') {
  const written = `${place}/node_modules/.package-lock.json`
  const there = packagesIn(written)
  if (!existsSync(join(root, written))) return false
  return Object.entries(packagesIn(`${place}/package-lock.json`)).every(([folder, { version, integrity, optional }]) => {
    const found = there[folder]
    return found ? found.version === version && found.integrity === integrity : optional === true
  })
}

/** Installs what the lock file in `place` says. */
export async function install(place = '.', ...flags) {
  const [command, first] = npm()
  // No package here needs its install script, so none gets to run.
  const args = [...first, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...flags]
  await must('npm ci', command, args, { cwd: join(root, place) })
}

/**
 * Installs and builds what is missing or stale.
 *
 * @param needsRust whether the caller needs cargo in any case; else it is asked for only when there is something to compile.
 * @throws {StepFailed} one line: the Node.js or Rust that is missing, or the step that failed.
 */
export async function setup({ force = false, needsRust = false } = {}) {
  requireNode()
  const target = requireTarget()
  // Asked first: whoever has no Rust should not wait for an install to learn it.
  if (needsRust || force || !nativeAddon(target).fresh) requireRust()
  if (!installed()) {
    say('installing development packages (npm ci)')
    await install()
  }
  if (force || !nativeAddon(target).fresh) await buildNative(target)
  if (force || !facade.fresh) await buildTs()
}

if (isMain(import.meta.url)) await main(() => setup({ force: process.argv.includes('--force') }))
