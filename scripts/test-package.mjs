// `npm run test:package`: packs once, installs the tarball in clean folders in every way a user may, and runs it there. `npm test` does the
// same as part of the whole.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bin, isMain, main, npm, root, run, StepFailed, say } from './lib/steps.mjs'
import { Tally, tapLine } from './lib/tally.mjs'
import { install, installed, setup } from './setup.mjs'

/** The other runtimes: every Node.js, Bun, Deno. Packages of npm, pinned by a lock file of their own because they are large and ship nothing. */
const RUNTIMES = '__test__/package/runtimes'

/** Installs the runtimes unless they are there. */
export async function installRuntimes() {
  if (installed(RUNTIMES)) return
  say('installing Node.js 20 to 26, Bun and Deno for the tests of the package (npm ci)')
  // Every node wants to be the one in .bin.
  await install(RUNTIMES, '--no-bin-links')
}

/**
 * Packs the checkout and gives the path of the tarball to `job`, in the environment that the spec files look at. It is gone afterwards.
 *
 * @param {(env: { GAIWAN_TARBALL: string }) => Promise<number>} job
 */
export async function withTarball(job) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'gaiwan-packed-')))
  try {
    const [command, first] = npm()
    const args = [...first, 'pack', '--json', '--loglevel=error', '--pack-destination', folder]
    const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    if (status !== 0) throw new StepFailed('npm pack failed')
    const [{ filename, size }] = JSON.parse(stdout)
    say(`packed ${filename}, ${size} bytes`)
    return await job({ GAIWAN_TARBALL: join(folder, filename) })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const tally = new Tally()
    await setup({ needsRust: true })
    await installRuntimes()
    const onLine = (line) => {
      console.log(line)
      tapLine(tally, line)
    }
    const status = await withTarball((env) =>
      run(process.execPath, [bin('ava'), '--tap', '__test__/package/**/*.spec.ts'], { env, onLine }),
    )
    if (status && tally.failed === 0) tally.failed++
    console.log(`${tally}`)
    return tally.ok ? 0 : 1
  })
}
