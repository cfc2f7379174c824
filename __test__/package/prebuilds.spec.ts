import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { hostTarget } from '../../scripts/lib/targets.mjs'
import { bundledCrates, licencePage, licenceTexts } from '../../scripts/licenses.mjs'
import { mainManifest } from '../../scripts/manifests.mjs'
import { runNode, top } from './folders.js'

const host = hostTarget()!
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

const out = mkdtempSync(join(tmpdir(), 'gaiwan-prebuilds-'))

test.before('lay this machine out', (t) => {
  const { status, stderr } = runNode(top, ['scripts/prebuilds.mjs', '--reuse', '--out', out])
  t.is(status, 0, stderr)
})

test.after.always('remove it', () => rmSync(out, { recursive: true, force: true }))

test('a target has the same file in npm/ and in prebuilds/, byte for byte', (t) => {
  const built = sha256(join(top, host.file))
  t.is(sha256(join(out, host.prebuild)), built)
  t.is(sha256(join(out, 'npm', host.triple, host.file)), built)
})

test('no build/Release is left to shadow prebuilds/, and node-gyp-build finds the file there', (t) => {
  t.false(existsSync(join(top, 'build/Release')))
  const { path } = createRequire(import.meta.url)('node-gyp-build') as { path(folder: string): string }
  t.is(path(out), join(out, host.prebuild))
})

test('an addon stays within 10 MB', (t) => {
  t.true(statSync(join(top, host.file)).size < 10_000_000)
})

test('the licence page names every bundled crate, and no crate is without a licence', (t) => {
  const crates = bundledCrates()
  t.true(crates.some(({ name }) => name === 'quinn'))
  const page = licencePage(crates)
  for (const crate of crates) {
    t.true(page.includes(`| ${crate.name} | ${crate.version} | `))
    t.true(Boolean(crate.license) || licenceTexts(crate).length > 0, crate.name)
  }
})

test('the staged release holds the licences, and names every platform package of its own version', (t) => {
  const { status, stderr } = runNode(top, ['scripts/release.mjs', '--out', out])
  t.is(status, 0, stderr)
  const staged = join(out, 'build/stage')
  const manifest = mainManifest()
  const { optionalDependencies, devDependencies, scripts } = JSON.parse(readFileSync(join(staged, 'gaiwan/package.json'), 'utf8'))
  t.is(optionalDependencies[`gaiwan-${host.triple}`], manifest.version)
  t.deepEqual([devDependencies, scripts], [undefined, undefined])
  for (const folder of ['gaiwan', host.triple]) t.true(existsSync(join(staged, folder, 'THIRD-PARTY-LICENSES.md')))
  t.is(existsSync(join(staged, 'gaiwan', host.prebuild)), host.carried === true)
})
