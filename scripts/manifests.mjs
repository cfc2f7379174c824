// `node scripts/manifests.mjs`: writes npm/<triple>/package.json for every target, from the main manifest and lib/targets.mjs.
// Run it after a change of either; a test compares the written files with what this would write.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMain, main, root, say } from './lib/steps.mjs'
import { targets } from './lib/targets.mjs'

/** The main manifest, read afresh. */
export function mainManifest() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
}

/**
 * The manifest of the package that carries the addon of one target, as text.
 *
 * @param {(typeof targets)[number]} target
 * @param {any} main the main manifest
 */
export function platformManifest({ triple, os, cpu, libc, file }, main) {
  const { name, version, license, engines, repository } = main
  const manifest = {
    name: `${name}-${triple}`,
    version,
    description: `The native addon of ${name} for ${triple}`,
    license,
    ...(repository ? { repository } : {}),
    main: file,
    files: [file, 'LICENSE-APACHE', 'LICENSE-MIT', 'THIRD-PARTY-LICENSES.md'],
    engines,
    os: [os],
    cpu: [cpu],
    ...(libc ? { libc: [libc] } : {}),
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const manifest = mainManifest()
    for (const target of targets) {
      const folder = join(root, 'npm', target.triple)
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'package.json'), platformManifest(target, manifest))
    }
    say(`wrote ${targets.length} manifests in npm/`)
  })
}
