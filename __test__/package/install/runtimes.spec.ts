// Runtimes other than Node.js, and Node.js with a loader in between.
import { copyFileSync, existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Machine, WELL } from '../machine.js'
import { bun, complete, deno } from '../runtimes.js'
import { host, manifest, tarball } from '../tarball.js'
import { top } from '../folders.js'

const PROGRAMS = ['app.mjs', 'app.cjs', 'worker.mjs']

test.serial('Node.js with the loader of tsx: a program in TypeScript, and one in CommonJS', async (t) => {
  const machine = new Machine(t)
  await machine.install(t, tarball())
  symlinkSync(join(top, 'node_modules/tsx'), join(machine.folder, 'node_modules/tsx'), 'junction')
  writeFileSync(
    join(machine.folder, 'app.ts'),
    "import * as gaiwan from 'gaiwan'\nimport * as blobs from 'gaiwan/blobs'\nimport { job } from './job.cjs'\nconsole.log(JSON.stringify((await job(gaiwan, blobs)) satisfies object))\n",
  )
  writeFileSync(join(machine.folder, 'package.json'), JSON.stringify({ type: 'module', dependencies: {} }))
  for (const program of ['app.ts', 'app.cjs']) t.deepEqual(await machine.node('--import=tsx', program), WELL, program)
})

if (complete) {
  test.serial('the other runtimes are installed', (t) => {
    for (const path of [bun, deno]) t.true(existsSync(path), `${path}: run "npm run test:package"`)
  })

  test.serial('Bun: its own install, ES modules, CommonJS, a worker thread, the command', async (t) => {
    const machine = new Machine(t)
    const added = await machine.run(bun, ['add', tarball()])
    t.is(added.status, 0, added.stderr)
    for (const program of PROGRAMS) t.deepEqual(await machine.run(bun, [program]), WELL, program)
    const { status, stdout } = await machine.run(bun, ['node_modules/gaiwan/dist/cli/main.js', 'doctor', '--json'])
    t.is(status, 0, stdout)
    t.is(JSON.parse(stdout.split('\n')[0]!).native, manifest.version)
  })

  test.serial('Bun: a compiled program with the addon beside it, and nothing else', async (t) => {
    const machine = new Machine(t)
    await machine.install(t, tarball())
    const args = ['build', '--compile', 'app.mjs', '--outfile', 'out/app', '--external', '*.node', '--external', 'gaiwan-*']
    const built = await machine.run(bun, args)
    t.is(built.status, 0, built.stderr)
    const away = new Machine(t)
    copyFileSync(join(machine.folder, 'out/app'), join(away.folder, 'program'))
    copyFileSync(join(machine.folder, 'node_modules/gaiwan', host.prebuild), join(away.folder, host.file))
    t.deepEqual(await away.run(join(away.folder, 'program'), []), WELL)
  })

  test.serial('Deno: what npm installed, with no more permissions than the page says', async (t) => {
    const machine = new Machine(t)
    await machine.install(t, tarball())
    const permissions = ['--no-prompt', '--allow-ffi=node_modules/gaiwan', '--allow-read=.', '--allow-env', '--allow-sys']
    for (const program of PROGRAMS) t.deepEqual(await machine.run(deno, ['run', ...permissions, program]), WELL, program)
    const { status, stdout } = await machine.run(deno, ['run', '-A', 'node_modules/gaiwan/dist/cli/main.js', 'doctor', '--json'])
    t.is(status, 0, stdout)
  })

  test.serial('Deno without the permission for native code: an error that says which is missing', async (t) => {
    const machine = new Machine(t)
    await machine.install(t, tarball())
    const { status, stderr } = await machine.run(deno, ['run', '--no-prompt', '--allow-read=.', '--allow-env', '--allow-sys', 'app.mjs'])
    t.is(status, 1)
    t.regex(stderr, /the native addon is missing/)
    t.regex(stderr, /Requires ffi access to .*--allow-ffi/)
  })
}
