// What would be published, installed from a registry: the main package with prebuilds/, and the slim one whose addon is in a platform package.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { platformManifest } from '../../../scripts/manifests.mjs'
import { targets } from '../../../scripts/lib/targets.mjs'
import { temporaryFolder } from '../folders.js'
import { Machine, WELL } from '../machine.js'
import { serveRegistry } from '../registry.js'
import { contents, host, manifest, pack, release } from '../tarball.js'

const slim = release('--slim')
const full = release()

test.serial('the slim package has no binary, the platform package has nothing else, and both have the licences', (t) => {
  const binaries = (file: string) => [...contents(file).keys()].filter((path) => path.endsWith('.node'))
  t.deepEqual(binaries(slim.main), [])
  t.deepEqual(binaries(full.main), host.carried ? [host.prebuild] : [])
  t.deepEqual([...contents(slim.platform).keys()].sort(), [
    'LICENSE-APACHE',
    'LICENSE-MIT',
    'THIRD-PARTY-LICENSES.md',
    host.file,
    'package.json',
  ])
  for (const file of [slim.main, full.main]) t.true(contents(file).has('THIRD-PARTY-LICENSES.md'))
})

/** The platform package of a system that is not this one, with a file that is no addon. */
function foreign(folder: string): string {
  const other = targets.find(({ os }) => os !== process.platform)!
  writeFileSync(join(folder, 'package.json'), platformManifest(other, manifest))
  writeFileSync(join(folder, other.file), 'not for this system')
  return pack(folder, folder)
}

test.serial('slim: npm takes the package of this platform, and no other', async (t) => {
  const registry = await serveRegistry(t, [slim.main, slim.platform, foreign(temporaryFolder(t))])
  const machine = new Machine(t, { registry: registry.url })
  await machine.install(t, manifest.name)
  const installed = readdirSync(join(machine.folder, 'node_modules'))
    .filter((name) => name.startsWith(manifest.name))
    .sort()
  t.deepEqual(installed, [manifest.name, `${manifest.name}-${host.triple}`])
  t.deepEqual(await machine.node('app.mjs'), WELL)
  t.deepEqual(await machine.node('app.cjs'), WELL)
})

test.serial('slim, both tarballs by their path', async (t) => {
  const machine = new Machine(t)
  await machine.install(t, slim.main, slim.platform)
  t.deepEqual(await machine.node('app.mjs'), WELL)
})

test.serial('slim with --omit=optional: one error that says so', async (t) => {
  const registry = await serveRegistry(t, [slim.main, slim.platform])
  const machine = new Machine(t, { registry: registry.url })
  await machine.install(t, '--omit=optional', manifest.name)
  t.false(existsSync(join(machine.folder, 'node_modules', `${manifest.name}-${host.triple}`)))
  const { stdout } = await machine.node('-e', "import('gaiwan').catch(({ name, code, message }) => console.log(name, code, message))")
  t.regex(stdout, /^GaiwanError NATIVE_NOT_FOUND /)
  t.regex(stdout, /--omit=optional/)
})

if (host.carried) {
  test.serial('with prebuilds/: --omit=optional works, and so does a platform package that was never published', async (t) => {
    for (const [tarballs, flags] of [[[full.main, full.platform], ['--omit=optional']] as const, [[full.main], []] as const]) {
      const registry = await serveRegistry(t, [...tarballs])
      const machine = new Machine(t, { registry: registry.url })
      await machine.install(t, ...flags, manifest.name)
      t.false(existsSync(join(machine.folder, 'node_modules', `${manifest.name}-${host.triple}`)))
      t.deepEqual(await machine.node('app.mjs'), WELL)
    }
  })
}
