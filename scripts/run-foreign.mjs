// `npm run test:foreign [-- triple …]`: runs the addons of `npm run build:all` on the systems they are for, as far as a Linux x64
// machine can: in the package as it would be published, unpacked, with a Node.js of that system. What is needed comes from the
// registries into build/foreign/. Each must echo and move a blob alone, and both ways with this machine; then the package's own
// `gaiwan doctor` must pass. Status 1 when one fails, or cannot be run here.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { foreignNodes } from './foreign/nodes.mjs'
import { crossedAddon } from './lib/crossed.mjs'
import { main, must, npm, root, StepFailed, say } from './lib/steps.mjs'
import { hostTarget, targets } from './lib/targets.mjs'

const RUN_MS = 300_000
const app = join(root, 'build/foreign/app')

/** Unpacks what would be published into node_modules/ of a folder with the probe: the package, and those of targets it does not carry. */
async function unpack(chosen) {
  rmSync(app, { recursive: true, force: true })
  mkdirSync(app, { recursive: true })
  await must('the staging', process.execPath, ['scripts/release.mjs'], { onLine: () => undefined })
  const [command, first] = npm()
  for (const name of ['gaiwan', ...chosen.filter(({ carried }) => !carried).map(({ triple }) => triple)]) {
    const folder = join(app, 'node_modules', name === 'gaiwan' ? name : `gaiwan-${name}`)
    mkdirSync(folder, { recursive: true })
    const tarball = []
    const args = [...first, 'pack', '--silent', '--ignore-scripts', '--pack-destination', app, join(root, 'build/stage', name)]
    await must('npm pack', command, args, { onLine: (line) => tarball.push(line) })
    await must('tar', 'tar', ['-xzf', join(app, tarball.at(-1)), '-C', folder, '--strip-components=1'])
  }
  copyFileSync(join(root, 'scripts/foreign/probe.mjs'), join(app, 'probe.mjs'))
}

/** A process in the folder of the package; `line` answers its first line, `end` its last one when it ends well. */
function start([command, ...first], args) {
  const { GAIWAN_NATIVE_PATH, NAPI_RS_NATIVE_LIBRARY_PATH, GAIWAN_PREBUILD, NODE_OPTIONS, ...env } = process.env
  const child = spawn(command, [...first, ...args], { cwd: app, env, timeout: RUN_MS, killSignal: 'SIGKILL' })
  let [out, errors] = ['', '']
  const line = new Promise((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text
      if (out.includes('\n')) resolve(out.split('\n')[0])
    })
    child.on('close', () => resolve(''))
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const end = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const reason = /^\S*Error.*$/m.exec(errors)?.[0] ?? errors.trim().split('\n').at(-1)
      if (code === 0) resolve(out.trim().split('\n'))
      else reject(new StepFailed(`${args[0]} ${args[1]} ended with ${signal ?? code}: ${reason}`))
    })
  })
  return { line, end, over: () => child.stdin.end() }
}

/** One process serves, another one gets; both must end well. */
async function between(server, getter, folder) {
  const served = start(server, ['probe.mjs', 'serve', mkdtempSync(join(folder, 'serve-'))])
  served.end.catch(() => undefined) // heard of below; a getter that fails is heard of first
  const ticket = await served.line
  if (ticket === '') await served.end
  const got = await start(getter, ['probe.mjs', 'get', mkdtempSync(join(folder, 'get-')), ticket]).end.finally(served.over)
  await served.end
  return JSON.parse(got.at(-1))
}

/** Runs one target; answers what was seen. */
async function probe(target, folder) {
  const node = await foreignNodes[target.triple].command()
  const begin = performance.now()
  const alone = JSON.parse((await start(node, ['probe.mjs', 'alone', folder]).end).at(-1))
  if (alone.arch !== target.cpu) throw new StepFailed(`that Node.js is for ${alone.arch}`)
  const ways = []
  if (target !== hostTarget()) {
    await between(node, [process.execPath], folder)
    await between([process.execPath], node, folder)
    ways.push('both ways with this machine')
  }
  const checks = (await start(node, ['node_modules/gaiwan/dist/cli/main.js', 'doctor', '--json']).end).map((line) => JSON.parse(line))
  const [versions, loopback] = ['versions', 'loopback'].map((name) => checks.find(({ check }) => check === name))
  if (versions.target !== target.rust) throw new StepFailed(`the addon that was loaded is for ${versions.target}`)
  const blob = [`${(alone.blob / 1e6).toFixed(1)} MB blob`, 'alone', ...ways].join(', ')
  const doctor = `${(loopback.bytesPerSecond / 1e6).toFixed(0)} MB/s, ${loopback.datagramsPerSend.toFixed(1)} datagrams a send`
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  return `Node.js ${alone.node} by ${foreignNodes[target.triple].by}: echo and ${blob}; doctor: ${doctor}; ${seconds} s`
}

/** Why `target` cannot be run, or null. */
function obstacle(target) {
  if (hostTarget()?.triple !== 'linux-x64-gnu') return 'foreign addons are run on Linux x64 with glibc only'
  if (!foreignNodes[target.triple]) return `there is no way to run ${target.os} here`
  const laidOut = join(root, 'npm', target.triple, target.file)
  const sha256 = (path) => createHash('sha256').update(readFileSync(path)).digest('hex')
  const built = crossedAddon(target)
  if (built.fresh && existsSync(laidOut) && sha256(laidOut) === sha256(join(root, built.outputs[0]))) return null
  return `it is not built from these sources: run "npm run build:all -- ${target.triple}"`
}

await main(async () => {
  const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(foreignNodes)
  const chosen = names.map((name) => targets.find(({ triple }) => triple === name))
  if (chosen.includes(undefined)) throw new StepFailed(`known triples are ${targets.map(({ triple }) => triple).join(', ')}`)
  const runnable = chosen.filter((target) => obstacle(target) === null)
  if (runnable.length) await unpack(runnable)
  let failed = 0
  for (const target of chosen) {
    const folder = mkdtempSync(join(tmpdir(), 'gaiwan-foreign-'))
    try {
      const reason = obstacle(target)
      if (reason) throw new StepFailed(reason)
      say(`${target.triple}: ran in ${await probe(target, folder)}`)
    } catch (error) {
      failed++
      say(`${target.triple}: ${obstacle(target) ? 'not run' : 'FAILED'}: ${error.message}`)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  say(`${chosen.length - failed} of ${chosen.length} ran`)
  return failed ? 1 : 0
})
