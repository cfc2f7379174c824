// What every script needs to run a step: where the house stands, how to call a tool, how to say what happens.
// Node's own modules only, because these run before `node_modules` exists.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top of the repository, absolute. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** A failure that one line explains; `main` prints it without a stack. */
export class StepFailed extends Error {}

/** Prints a progress line. */
export function say(text) {
  console.log(`gaiwan: ${text}`)
}

/**
 * Runs `command` at the top of the repository and answers its exit status.
 *
 * @param onLine when given, stdout comes here line by line instead of going through; stderr always goes through.
 */
export function run(command, args, { env = {}, cwd = root, onLine } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', onLine ? 'pipe' : 'inherit', 'inherit'],
      windowsHide: true,
    })
    let rest = ''
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()
      for (const line of lines) onLine(line)
    })
    child.on('error', (error) => reject(new StepFailed(`${command} does not start: ${error.message}`)))
    child.on('close', (code, signal) => {
      if (rest) onLine(rest)
      resolve(signal ? 1 : code)
    })
  })
}

/** Runs as `run`, and throws `StepFailed` with `what` when the status is not 0. */
export async function must(what, command, args, options) {
  const status = await run(command, args, options)
  if (status !== 0) throw new StepFailed(`${what} failed with status ${status}`)
}

/** The script behind a command of an installed package, to be run with `process.execPath`. */
export function bin(packageName, command = packageName.split('/').pop()) {
  const folder = join(root, 'node_modules', packageName)
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(folder, typeof bin === 'string' ? bin : bin[command])
}

/** npm's own script, to be run with any node: that of the npm that started us, else of the one beside this node or on the path. */
export function npmScript() {
  const places = [dirname(process.execPath), ...(process.env.PATH ?? '').split(delimiter)]
  const scripts = places.flatMap((place) => [
    join(place, 'node_modules/npm/bin/npm-cli.js'),
    join(place, '../lib/node_modules/npm/bin/npm-cli.js'),
    join(place, '../share/nodejs/npm/bin/npm-cli.js'),
  ])
  return [process.env.npm_execpath, ...scripts].find((script) => script && /npm-cli\.c?js$/.test(script) && existsSync(script)) ?? null
}

/** The command and first arguments that start npm. */
export function npm() {
  const script = npmScript()
  if (script) return [process.execPath, [script]]
  return process.platform === 'win32' ? ['cmd', ['/c', 'npm']] : ['npm', []]
}

/** Answers what a tool prints, or null when it is not there or fails. */
export function ask(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: 'utf8', windowsHide: true, maxBuffer: 2 ** 28 })
  return status === 0 ? stdout.trim() : null
}

function older(version, than) {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number))
  for (let i = 0; i < b.length; i++) if ((a[i] ?? 0) !== b[i]) return (a[i] ?? 0) < b[i]
  return false
}

/** Whether `version` is in `range`: parts of the form `^1.2.3` or `>=1.2.3`, joined by `||`, which is all that `engines` says. */
export function inRange(version, range) {
  return range.split('||').some((part) => {
    const [, sign, least] = /^\s*(\^|>=)(\d+\.\d+\.\d+)\s*$/.exec(part)
    return !older(version, least) && (sign === '>=' || version.split('.')[0] === least.split('.')[0])
  })
}

/** Throws one clear line when this Node.js is not one that the package supports. */
export function requireNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const here = process.versions.node
  if (!inRange(here, engines.node)) throw new StepFailed(`Node.js ${engines.node} is needed, this is ${here}.`)
}

/** Throws one clear line when Rust is missing or older than the workspace asks for. */
export function requireRust() {
  const least = /^rust-version = "([\d.]+)"/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))[1]
  const found = /^cargo (\d+\.\d+\.\d+)/.exec(ask('cargo', ['--version']) ?? '')?.[1]
  const cure = `install Rust ${least} or newer (https://rustup.rs), then run this again.`
  if (!found) throw new StepFailed(`the Rust toolchain is missing: ${cure}`)
  if (older(found, least)) throw new StepFailed(`Rust ${found} is too old: ${cure}`)
}

/** Runs a script's main function; a `StepFailed` is one line on stderr and exit status 1. */
export async function main(job) {
  try {
    process.exitCode = (await job()) ?? 0
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(`gaiwan: ${error.message}`)
    process.exitCode = 1
  }
}

/** Whether the module at `url` is the script that node was asked to run. */
export function isMain(url) {
  return process.argv[1] !== undefined && fileURLToPath(url) === process.argv[1]
}
