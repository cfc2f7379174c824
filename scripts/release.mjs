// `npm run release -- [--slim] [--out FOLDER]`: stages what would be published in build/stage/: the main package and one for each target
// whose addon lies in npm/<triple>/. Nothing is published; the last lines say how. --slim leaves prebuilds/ out of the main package.
// --out FOLDER takes npm/ and prebuilds/ from there and stages beneath it.
// --repository URL is written into every manifest; npm compares it with where the workflow runs, and without it refuses provenance.
//
// The committed package.json has no optionalDependencies: `npm ci` in a checkout would look for packages of a version that is
// not published yet. They are written here, into the staged copy.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundledCrates, licencePage } from './licenses.mjs'
import { describeAddon, faults } from './lib/addon.mjs'
import { main, root, StepFailed, say } from './lib/steps.mjs'
import { targets } from './lib/targets.mjs'
import { mainManifest } from './manifests.mjs'

const LICENCES = ['LICENSE-APACHE', 'LICENSE-MIT']

/** `url` as a manifest has it; nothing when there is none. */
const repositoryOf = (url) => (url ? { repository: { type: 'git', url: `git+${url.replace(/(\.git)?$/, '.git')}` } } : {})

/** The manifest to publish: the committed one without what only a checkout needs, with the platform packages of the same version. */
export function publishedManifest(manifest, built, repository) {
  const { devDependencies, scripts, ava, napi, allowScripts, ...published } = manifest
  const names = built.map(({ triple }) => [`${manifest.name}-${triple}`, manifest.version])
  return { ...published, ...repositoryOf(repository), optionalDependencies: Object.fromEntries(names) }
}

await main(async () => {
  const options = { slim: { type: 'boolean' }, out: { type: 'string', default: root }, repository: { type: 'string' } }
  const { slim, out, repository } = parseArgs({ options }).values
  const staging = join(out, 'build/stage')
  const manifest = mainManifest()
  const built = targets.filter(({ triple, file }) => existsSync(join(out, 'npm', triple, file)))
  if (!built.length) throw new StepFailed('no addon is laid out: run "npm run prebuilds" first')
  for (const target of built) {
    for (const fault of faults(target, describeAddon(join(out, 'npm', target.triple, target.file)))) {
      say(`not to be published: ${target.triple}, because ${fault} ("npm run build:all" makes what is)`)
    }
  }
  if (!existsSync(join(root, 'dist/index.js'))) throw new StepFailed('dist/ is missing: run "npm run build" first')
  rmSync(staging, { recursive: true, force: true })

  const licences = licencePage(bundledCrates())
  const stage = (folder, from, names) => {
    mkdirSync(folder, { recursive: true })
    for (const name of names) if (existsSync(join(from, name))) cpSync(join(from, name), join(folder, name), { recursive: true })
    writeFileSync(join(folder, 'THIRD-PARTY-LICENSES.md'), licences)
  }
  for (const { triple, file } of built) {
    const folder = join(staging, triple)
    mkdirSync(folder, { recursive: true })
    const own = JSON.parse(readFileSync(join(root, 'npm', triple, 'package.json'), 'utf8'))
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...own, ...repositoryOf(repository) }, null, 2)}\n`)
    stage(folder, join(out, 'npm', triple), [file])
    stage(folder, root, LICENCES)
  }
  const top = join(staging, manifest.name)
  stage(top, root, manifest.files.filter((name) => name !== 'prebuilds').concat('README.md'))
  for (const { carried, prebuild } of built) if (carried && !slim) cpSync(join(out, prebuild), join(top, prebuild))
  writeFileSync(join(top, 'package.json'), `${JSON.stringify(publishedManifest(manifest, built, repository), null, 2)}\n`)

  say(`staged ${built.map(({ triple }) => triple).join(', ')} and ${manifest.name} ${manifest.version} in build/stage/`)
  if (!repository) say('no manifest names a repository (--repository URL): npm gives no provenance to such a package')
  say('to publish, in this order, for every folder there, platform packages first: npm publish --provenance')
})
