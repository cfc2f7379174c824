// The ways in which an install is narrowed: no scripts, no optional packages, no network, awkward paths. Then the command.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { top } from '../folders.js'
import { Machine, WELL } from '../machine.js'
import { serveRegistry } from '../registry.js'
import { manifest, tarball } from '../tarball.js'

async function works(t: ExecutionContext, machine: Machine): Promise<void> {
  t.deepEqual(await machine.node('app.mjs'), WELL)
  t.deepEqual(await machine.node('app.cjs'), WELL)
}

for (const flag of ['--ignore-scripts', '--omit=optional', '--omit=peer', '--install-links']) {
  test.serial(`npm install ${flag}`, async (t) => {
    const machine = new Machine(t)
    await machine.install(t, flag, tarball())
    await works(t, machine)
  })
}

test.serial('npm install --offline, from the cache that an earlier install filled, with the registry gone', async (t) => {
  const registry = await serveRegistry(t, [tarball()])
  const machine = new Machine(t, { registry: registry.url })
  await machine.install(t, manifest.name)
  const fetched = registry.asked.filter((path) => path.endsWith('.tgz'))
  t.deepEqual(fetched, [`/-/${manifest.name}.tgz`], 'one package is all there is to fetch')
  await registry.close()
  rmSync(join(machine.folder, 'node_modules'), { recursive: true })
  rmSync(join(machine.folder, 'package-lock.json'))
  await machine.install(t, '--offline', manifest.name)
  await works(t, machine)
})

test.serial('npm ci --offline, from a lock file and that cache', async (t) => {
  const registry = await serveRegistry(t, [tarball()])
  const machine = new Machine(t, { registry: registry.url })
  await machine.install(t, manifest.name)
  await registry.close()
  const { status, stderr } = await machine.npm('ci', '--offline', '--ignore-scripts', '--omit=optional')
  t.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  await works(t, machine)
})

test.serial('a path with spaces, a quote and letters beyond ASCII', async (t) => {
  const machine = new Machine(t, { name: "tea & söme café's 茶" })
  await machine.install(t, tarball())
  await works(t, machine)
  const { status, stdout } = await machine.npm('exec', '--', 'gaiwan', '--version')
  t.deepEqual([status, stdout], [0, `gaiwan ${manifest.version}\n`])
})

test.serial('nothing is unpacked or written into the package when it runs', async (t) => {
  const machine = new Machine(t)
  await machine.install(t, tarball())
  const files = () => readdirSync(join(machine.folder, 'node_modules'), { recursive: true, encoding: 'utf8' }).sort()
  const before = files()
  await works(t, machine)
  t.deepEqual(files(), before)
})

test.serial('npx gaiwan --version and doctor --json run', async (t) => {
  const machine = new Machine(t)
  await machine.install(t, tarball())
  const version = await machine.npm('exec', '--', 'gaiwan', '--version')
  t.deepEqual(version, { status: 0, stdout: `gaiwan ${manifest.version}\n`, stderr: '' })
  const { status, stdout, stderr } = await machine.npm('exec', '--', 'gaiwan', 'doctor', '--json')
  t.is(status, 0, stderr)
  const checks = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { check: string; ok: boolean; native?: string })
  t.true(
    checks.every(({ ok }) => ok),
    stdout,
  )
  t.is(checks.find(({ check }) => check === 'versions')?.native, manifest.version)
})

test.serial('two processes of two installs move a folder with the command', async (t) => {
  const [sender, receiver] = [new Machine(t), new Machine(t)]
  await Promise.all([sender, receiver].map((machine) => machine.install(t, tarball())))
  const bytes = new Uint8Array(1_000_003).map((_, n) => (n * 7) % 253)
  mkdirSync(join(sender.folder, 'tea'))
  writeFileSync(join(sender.folder, 'tea/leaves.raw'), bytes)

  const command = (machine: Machine) => join(machine.folder, 'node_modules/.bin/gaiwan')
  const args = ['send', 'tea', '--json', '--bind', '127.0.0.1:0']
  const sending = spawn(command(sender), args, { cwd: sender.folder, env: sender.env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(sending, 'close')
  t.teardown(async () => {
    sending.kill('SIGINT')
    await ended
  })
  const ticket = await new Promise<string>((resolve, reject) => {
    createInterface(sending.stdout).on('line', (line) => {
      const { ticket } = JSON.parse(line) as { ticket?: string }
      if (ticket) resolve(ticket)
    })
    sending.once('close', (status) => reject(new Error(`gaiwan send ended with ${status}`)))
  })
  const { status, stderr } = await receiver.run(command(receiver), ['receive', ticket, '--json', '--bind', '127.0.0.1:0'])
  t.is(status, 0, stderr)
  const [arrived] = readdirSync(receiver.folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('leaves.raw'))
  t.truthy(arrived)
  t.deepEqual(new Uint8Array(readFileSync(join(receiver.folder, arrived!))), bytes)
})

test.serial("'gaiwan/automerge' without its optional peers is one error that names the package, and the rest works", async (t) => {
  const machine = new Machine(t)
  await machine.install(t, tarball())
  t.false(existsSync(join(machine.folder, 'node_modules/@automerge')))
  for (const program of ["import('gaiwan/automerge')", "new Promise((r) => r(require('gaiwan/automerge')))"]) {
    const { status, stdout, stderr } = await machine.node(
      '--input-type=commonjs',
      '-e',
      `${program}.catch((e) => console.log(e.code, e.message))`,
    )
    t.is(status, 0, stderr)
    t.regex(stdout, /^(ERR_MODULE_NOT_FOUND|MODULE_NOT_FOUND) .*@automerge\/automerge/)
  }
  t.deepEqual(await machine.node('app.mjs'), WELL)
})

test.serial("'gaiwan/automerge' with its peers loads both ways, as one", async (t) => {
  const machine = new Machine(t)
  await machine.install(t, tarball())
  symlinkSync(join(top, 'node_modules/@automerge'), join(machine.folder, 'node_modules/@automerge'), 'junction')
  const program = "import('gaiwan/automerge').then((esm) => console.log(require('gaiwan/automerge').AutomergeSync === esm.AutomergeSync))"
  t.deepEqual(await machine.node('--input-type=commonjs', '-e', program), { status: 0, stdout: 'true\n', stderr: '' })
})
