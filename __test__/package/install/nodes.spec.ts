// The packed tarball on every Node.js that is supported, from the oldest of each line that may be used.
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Machine, WELL } from '../machine.js'
import { complete, nodes } from '../runtimes.js'
import { manifest, tarball } from '../tarball.js'

test.serial('on Linux x64 the matrix is whole', (t) => {
  if (complete)
    t.deepEqual(
      nodes().map(({ name }) => name),
      ['node-20', 'node-22', 'node-24', 'node-26'],
      'run "npm run test:package"',
    )
  else t.is(nodes().length, 1)
})

for (const { name, path } of nodes()) {
  test.serial(`${name}: npm install, then echo and a blob, in ESM, in CommonJS and in a worker thread, without a warning`, async (t) => {
    const machine = new Machine(t, { node: path })
    if (process.platform !== 'win32')
      t.deepEqual(readdirSync(machine.env['PATH']!).sort(), ['node', 'sh'], 'no cargo, no rustc, no compiler')
    await machine.install(t, tarball())
    t.deepEqual(readdirSync(join(machine.folder, 'node_modules')).sort(), ['.bin', '.package-lock.json', manifest.name])
    t.deepEqual(await machine.node('app.mjs'), WELL)
    t.deepEqual(await machine.node('app.cjs'), WELL)
    t.deepEqual(await machine.node('worker.mjs'), WELL)
  })

  test.serial(`${name}: import and require answer one and the same instance, of every subpath`, async (t) => {
    const machine = new Machine(t, { node: path })
    await machine.install(t, tarball())
    const subpaths = Object.keys(manifest.exports).filter((one) => one !== './automerge' && one !== './package.json')
    writeFileSync(
      join(machine.folder, 'both.mjs'),
      `import { createRequire } from 'node:module'
      const require = createRequire(import.meta.url)
      for (const subpath of ${JSON.stringify(subpaths)}) {
        const name = subpath.replace('.', 'gaiwan')
        const [esm, cjs] = [await import(name), require(name)]
        const names = Object.keys(esm).filter((one) => one !== 'default' && one !== 'module.exports')
        if (names.length === 0 || !names.every((one) => esm[one] === cjs[one])) throw new Error(name)
        console.log(name)
      }
      // One class of errors, and one addon behind both.
      const addons = Object.keys(require.cache).filter((file) => file.endsWith('.node'))
      if (addons.length !== 1) throw new Error(addons.join())`,
    )
    const { status, stdout, stderr } = await machine.node('both.mjs')
    t.deepEqual({ status, stderr }, { status: 0, stderr: '' })
    t.deepEqual(
      stdout.trim().split('\n'),
      subpaths.map((one) => one.replace('.', 'gaiwan')),
    )
  })
}
