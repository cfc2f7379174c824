// `node scripts/try-package.mjs FOLDER`: installs the packed release that lies in FOLDER (gaiwan-<version>.tgz, and that of this machine's
// platform) into an empty folder, and runs an echo and a blob there, in ES modules, CommonJS and a worker thread, then the command. It needs
// node and npm and no `npm ci`: the release workflow runs it on every system that a binary is for.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { main, npm, root, StepFailed, say } from './lib/steps.mjs'
import { hostTarget } from './lib/targets.mjs'
import { mainManifest } from './manifests.mjs'

const WELL = '{"echo":true,"blob":true,"bytes":6000002}'

await main(async () => {
  const { name, version } = mainManifest()
  const host = hostTarget()
  if (!host) throw new StepFailed(`there is no target for ${process.platform} ${process.arch}`)
  const given = resolve(process.argv[2] ?? '.')
  const tarballs = [`${name}-${version}.tgz`, `${name}-${host.triple}-${version}.tgz`].map((file) => join(given, file))
  for (const file of tarballs) if (!existsSync(file)) throw new StepFailed(`${file} is not there`)

  const folder = mkdtempSync(join(tmpdir(), 'gaiwan-try-'))
  const step = (what, command, args) => {
    const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', timeout: 180_000 })
    if (status !== 0) throw new StepFailed(`${what} failed (${error?.message ?? `status ${status}`})\n${stdout}${stderr}`)
    return stdout.trim()
  }
  try {
    cpSync(join(root, '__test__/package/app'), folder, { recursive: true })
    const [command, first] = npm()
    step('npm install', command, [...first, 'install', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs])
    for (const program of ['app.mjs', 'app.cjs', 'worker.mjs']) {
      const said = step(program, process.execPath, [program])
      if (said !== WELL) throw new StepFailed(`${program} said ${said}`)
    }
    step('gaiwan doctor', process.execPath, [`node_modules/${name}/dist/cli/main.js`, 'doctor', '--json'])
    say(`${name} ${version} works on ${host.triple} with Node.js ${process.versions.node}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
