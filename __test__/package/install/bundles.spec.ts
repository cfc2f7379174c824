// The blocks of docs/bundlers.md, run as they stand there; what they make has to work away from node_modules.
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { temporaryFolder, top } from '../folders.js'
import { Machine, WELL } from '../machine.js'
import { tarball } from '../tarball.js'

/** The code blocks of the page that begin with the name of a file. */
const blocks = new Map(
  [...readFileSync(join(top, 'docs/bundlers.md'), 'utf8').matchAll(/^```js\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)].map(([, name, code]) => [
    name!,
    code!,
  ]),
)

/** A machine with the package, a bundler and the configuration of the page. */
async function withBundler(t: ExecutionContext, bundler: string, config: string): Promise<Machine> {
  const machine = new Machine(t)
  await machine.install(t, tarball())
  symlinkSync(join(top, 'node_modules', bundler), join(machine.folder, 'node_modules', bundler), 'junction')
  writeFileSync(join(machine.folder, config), blocks.get(config)!)
  return machine
}

/** Runs the bundle in a folder where there is nothing else. */
async function runs(t: ExecutionContext, machine: Machine, name: string): Promise<void> {
  const elsewhere = temporaryFolder(t)
  cpSync(join(machine.folder, 'out'), elsewhere, { recursive: true })
  t.deepEqual(await machine.node(join(elsewhere, name)), WELL)
}

test.serial('the page has these configurations', (t) => {
  t.deepEqual([...blocks.keys()], ['esbuild.config.mjs', 'esbuild-esm.config.mjs', 'webpack.config.cjs'])
})

for (const [config, bundle] of [
  ['esbuild.config.mjs', 'app.cjs'],
  ['esbuild-esm.config.mjs', 'app.mjs'],
] as const) {
  test.serial(`esbuild, ${config}: the bundle runs`, async (t) => {
    const machine = await withBundler(t, 'esbuild', config)
    t.deepEqual(await machine.node(config), { status: 0, stdout: '', stderr: '' })
    await runs(t, machine, bundle)
  })
}

test.serial('webpack, webpack.config.cjs: the bundle runs, and webpack warns of nothing', async (t) => {
  const machine = await withBundler(t, 'webpack', 'webpack.config.cjs')
  writeFileSync(
    join(machine.folder, 'build.cjs'),
    `require('webpack')(require('./webpack.config.cjs'), (error, stats) => {
      if (error) throw error
      console.log(stats.toString({ all: false, warnings: true, errors: true }))
    })`,
  )
  t.deepEqual(await machine.node('build.cjs'), { status: 0, stdout: '\n', stderr: '' })
  await runs(t, machine, 'app.cjs')
})

for (const [bundler, config] of [
  ['esbuild', 'esbuild.config.mjs'],
  ['webpack', 'webpack.config.cjs'],
] as const) {
  test.serial(`${bundler}: GAIWAN_PREBUILD names the addon of a bundle that has none beside it`, async (t) => {
    const machine = await withBundler(t, bundler, config)
    writeFileSync(
      join(machine.folder, 'build.cjs'),
      bundler === 'esbuild' ? `import('./${config}')` : `require('webpack')(require('./${config}'), () => {})`,
    )
    t.is((await machine.node('build.cjs')).status, 0)
    const elsewhere = temporaryFolder(t)
    cpSync(join(machine.folder, 'out/app.cjs'), join(elsewhere, 'app.cjs'))
    const none = await machine.node(join(elsewhere, 'app.cjs'))
    t.regex(none.stderr, /NATIVE_NOT_FOUND/)
    cpSync(join(machine.folder, 'out/prebuilds'), join(elsewhere, 'somewhere/prebuilds'), { recursive: true })
    const named = await machine.run(process.execPath, [join(elsewhere, 'app.cjs')], { GAIWAN_PREBUILD: join(elsewhere, 'somewhere') })
    t.deepEqual(named, WELL)
  })
}
