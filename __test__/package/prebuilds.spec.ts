import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { readyAddon } from '../../scripts/lib/crossed.mjs'
import { hostTarget, targets } from '../../scripts/lib/targets.mjs'
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
  const built = sha256(readyAddon(host)!)
  t.is(sha256(join(out, host.prebuild)), built)
  t.is(sha256(join(out, 'npm', host.triple, host.file)), built)
})

test('no build/Release is left to shadow prebuilds/, and node-gyp-build finds the file there', (t) => {
  t.false(existsSync(join(top, 'build/Release')))
  const { path } = createRequire(import.meta.url)('node-gyp-build') as { path(folder: string): string }
  t.is(path(out), join(out, host.prebuild))
})

test('node-gyp-build finds the file of every target on a system of that kind', (t) => {
  const prebuilds = mkdtempSync(join(tmpdir(), 'gaiwan-layout-'))
  t.teardown(() => rmSync(prebuilds, { recursive: true, force: true }))
  for (const { prebuild } of targets) {
    mkdirSync(dirname(join(prebuilds, prebuild)), { recursive: true })
    writeFileSync(join(prebuilds, prebuild), '')
  }
  const find = `console.log(require(${JSON.stringify(createRequire(import.meta.url).resolve('node-gyp-build'))}).path(process.argv[1]))`
  for (const { triple, os, cpu, libc, armv, prebuild } of targets) {
    const env = { npm_config_platform: os, npm_config_arch: cpu, LIBC: libc ?? '', ARM_VERSION: armv ?? (cpu === 'arm64' ? '8' : '') }
    t.is(runNode(prebuilds, ['-e', find, prebuilds], env).stdout.trim(), join(prebuilds, prebuild), triple)
  }
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
