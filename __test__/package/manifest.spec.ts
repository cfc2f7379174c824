import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { targets } from '../../scripts/lib/targets.mjs'
import { mainManifest, platformManifest } from '../../scripts/manifests.mjs'
import { top } from './folders.js'

const manifest = mainManifest()

test('an install runs nothing and brings nothing else along', (t) => {
  for (const name of ['preinstall', 'install', 'postinstall', 'prepublish', 'prepare', 'prebuild', 'postbuild']) {
    t.false(name in manifest.scripts, `a script named ${name} would run by itself`)
  }
  t.false(existsSync(join(top, 'binding.gyp')))
  t.deepEqual(Object.keys(manifest.dependencies ?? {}), [])
  t.deepEqual(Object.keys(manifest.optionalDependencies ?? {}), [], 'scripts/release.mjs writes these into the staged copy')
})

test('development packages are pinned, and the lock file says the same', (t) => {
  const lock = JSON.parse(readFileSync(join(top, 'package-lock.json'), 'utf8'))
  for (const [name, version] of Object.entries<string>(manifest.devDependencies)) {
    t.regex(version, /^\d+\.\d+\.\d+$/, name)
    t.is(lock.packages[`node_modules/${name}`]?.version, version, name)
  }
  t.is(lock.version, manifest.version)
})

test('npm, cargo and every platform package have one version', (t) => {
  const cargo = readFileSync(join(top, 'Cargo.toml'), 'utf8')
  t.is(/\[workspace\.package\][^[]*?^version = "([^"]+)"/ms.exec(cargo)?.[1], manifest.version)
  for (const target of targets) {
    const written = readFileSync(join(top, 'npm', target.triple, 'package.json'), 'utf8')
    t.is(written, platformManifest(target, manifest), `npm/${target.triple}: run "node scripts/manifests.mjs"`)
  }
})

test('the targets are the same in npm/, in the napi configuration and in the loader', (t) => {
  const triples = targets.map(({ triple }) => triple).sort()
  t.deepEqual(readdirSync(join(top, 'npm')).sort(), triples)
  t.deepEqual([...manifest.napi.targets].sort(), targets.map(({ rust }) => rust).sort())
  const loader = readFileSync(join(top, 'index.cjs'), 'utf8')
  for (const { triple, prebuild } of targets) {
    t.true(loader.includes(`require('./${prebuild}')`), `${prebuild} as a literal, for bundlers`)
    t.true(loader.includes(`require('gaiwan-${triple}')`), `gaiwan-${triple} as a literal, for bundlers`)
  }
})

test('no source waits at its top level, so that require can load the package', (t) => {
  const sources = readdirSync(join(top, 'ts'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  t.true(sources.includes('index.ts'))
  for (const name of sources.filter((name) => name !== join('cli', 'main.ts'))) {
    t.notRegex(readFileSync(join(top, 'ts', name), 'utf8'), /^(?:(?:export )?(?:const|let) .*= )?(?:await|for await)\b/m, name)
  }
})
