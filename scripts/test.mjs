// `npm test`: sets up, checks the sources, runs the Rust and the ava tests, and ends with `N passed, N failed`.
// `npm test -- <part of a name>` runs the Rust tests and the spec files that have it in their name, and no checks.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildInterop } from './build-interop.mjs'
import { ask, bin, main, root, run, StepFailed, say } from './lib/steps.mjs'
import { cargoLine, Tally, tapLine } from './lib/tally.mjs'
import { setup } from './setup.mjs'
import { installRuntimes, withTarball } from './test-package.mjs'

const node = process.execPath
const tally = new Tally()

/** Runs one step. When it fails and its tests did not count that, the step itself counts as one failure. */
async function step(name, job) {
  say(name)
  const before = tally.failed
  const begin = Date.now()
  let status
  try {
    status = await job()
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(`gaiwan: ${error.message}`)
    status = 1
  }
  const seconds = ((Date.now() - begin) / 1000).toFixed(1)
  if (status && tally.failed === before) tally.failed++
  say(`${name}: ${status ? 'FAILED' : 'done'} in ${seconds} s`)
}

function counted(count) {
  return (line) => {
    console.log(line)
    count(tally, line)
  }
}

/** A minimal toolchain has no rustfmt or clippy; rustup can add them. */
async function cargoTool(component, command) {
  if (ask('cargo', [command, '--version'])) return
  const status = ask('rustup', ['--version']) ? await run('rustup', ['component', 'add', component]) : 1
  if (status) throw new StepFailed(`${component} is missing: run "rustup component add ${component}"`)
}

async function checks() {
  await step('types (tsc)', () => run(node, [bin('typescript', 'tsc'), '-p', 'tsconfig.json']))
  await step('lint (biome)', () => run(node, [bin('@biomejs/biome'), 'lint', '--error-on-warnings']))
  await step('format (biome)', () => run(node, [bin('@biomejs/biome'), 'format']))
  await step('format (rustfmt)', async () => {
    await cargoTool('rustfmt', 'fmt')
    const status = await run('cargo', ['fmt', '--all', '--check'])
    return status || run('cargo', ['fmt', '--check', '--manifest-path', 'interop/Cargo.toml'])
  })
  await step('lint (clippy)', async () => {
    await cargoTool('clippy', 'clippy')
    return run('cargo', ['clippy', '--locked', '--workspace', '--all-targets', '--', '-D', 'warnings'])
  })
}

function rustTests(filter = []) {
  const args = ['test', '--locked', '--workspace', '--no-fail-fast', ...filter]
  return step('Rust tests', () => run('cargo', args, { onLine: counted(cargoLine) }))
}

/** The spec files of the package need a tarball and other runtimes; those of one run share both. */
async function avaTests(files = []) {
  const onLine = counted(tapLine)
  const ava = (env = {}) => run(node, [bin('ava'), '--tap', ...files], { env, onLine })
  if (files.length && !files.some((path) => path.includes('/package/'))) return step('ava tests', () => ava())
  await step('other runtimes', installRuntimes)
  return step('ava tests', () => withTarball(ava))
}

function specs(folder = '__test__') {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? specs(path) : path.endsWith('.spec.ts') ? [path] : []
  })
}

await main(async () => {
  const [filter] = process.argv.slice(2)
  await setup({ needsRust: true })
  if (filter === undefined) {
    await checks()
    await rustTests()
    await step('interop peer', buildInterop)
    await avaTests()
  } else {
    await rustTests([filter])
    const files = specs().filter((path) => path.includes(filter))
    if (files.some((path) => path.includes('/interop/'))) await step('interop peer', buildInterop)
    if (files.length) await avaTests(files)
  }
  console.log(`${tally}`)
  return tally.ok ? 0 : 1
})
