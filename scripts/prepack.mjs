// npm runs this before `npm pack` and `npm publish`, never at an install: it puts what only a built checkout has into the tarball, the addon
// of this machine in prebuilds/ and the licences of the crates in it. It builds nothing; `npm start` and `npm test` do. What it says goes to
// stderr (package.json), because stdout is the answer of `npm pack --json`.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nativeAddon, requireTarget } from './build-native.mjs'
import { facade } from './build-ts.mjs'
import { crossedAddon } from './lib/crossed.mjs'
import { isMain, main, root, StepFailed, say } from './lib/steps.mjs'
import { targets } from './lib/targets.mjs'
import { writeLicences } from './licenses.mjs'
import { layOut } from './prebuilds.mjs'

/**
 * What lies in prebuilds/ beside the host's file and is not for the main package: targets that have a package of their own
 * only, and files of sources that have changed since.
 */
export function leftOut(host) {
  return targets
    .filter((target) => target.triple !== host.triple && existsSync(join(root, target.prebuild)))
    .filter((target) => !target.carried || !crossedAddon(target).fresh)
    .map(({ prebuild }) => prebuild.replace('prebuilds/', '/'))
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const host = requireTarget()
    for (const thing of [nativeAddon(host), facade]) {
      if (!thing.fresh)
        throw new StepFailed('the sources are newer than what was built from them: run "npm start" or "npm run build" first')
    }
    await layOut(host, { reuse: true })
    writeFileSync(
      join(root, 'prebuilds/.npmignore'),
      leftOut(host)
        .map((path) => `${path}\n`)
        .join(''),
    )
    writeLicences()
    say(
      `packing ${readdirSync(join(root, 'prebuilds'))
        .filter((name) => !name.startsWith('.'))
        .join(', ')}`,
    )
  })
}
