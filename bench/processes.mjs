/** The parent's side: starts the two processes of a pair, drives them by lines, and ends them. */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Time without a line after which a process counts as stuck. */
const SILENCE_MS = 120_000

/** A child that answers lines with JSON lines. */
class Child {
  #process
  #lines
  #name
  #exit
  constructor(name, [command, ...args]) {
    this.#name = name
    this.#process = spawn(command, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#process.stdin.on('error', () => {})
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    this.#exit = new Promise((resolve) => {
      this.#process.on('error', (error) => resolve(error.message))
      this.#process.on('exit', (code, signal) => resolve(code === 0 ? null : `exit ${signal ?? code}`))
    })
  }

  /** The next line, which must be of the kind `event`. */
  async next(event) {
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), SILENCE_MS)
    const { value, done } = await this.#lines.next()
    clearTimeout(timer)
    if (done) throw new Error(`${this.#name} ended before its ${event}: ${await this.#exit}`)
    const line = JSON.parse(value)
    if (line.event !== event) throw new Error(`${this.#name} said ${value} where ${event} was due`)
    return line
  }

  tell(line) {
    this.#process.stdin.write(`${line}\n`)
  }

  /** Closes its stdin, which ends it; a failure exit rejects. */
  async end() {
    this.#process.stdin.end()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), SILENCE_MS)
    const failure = await this.#exit
    clearTimeout(timer)
    if (failure) throw new Error(`${this.#name}: ${failure}`)
  }

  kill() {
    this.#process.kill('SIGKILL')
  }
}

/**
 * Runs one workload in a fresh pair of processes.
 * @param {{name: string, server: string[], client: string[]}} pair the two command lines
 * @returns {Promise<{figures: object, cpuSeconds: number, client: object, server: object}>} `cpuSeconds` is that of both
 *   processes while the workload ran; `client` and `server` have `cpuSeconds` and `rssGrowthBytes` of each
 */
export async function measure({ name, server: serverLine, client: clientLine }) {
  const server = new Child(`${name} server`, serverLine)
  let client
  try {
    const { id, address } = await server.next('ready')
    client = new Child(`${name} client`, [...clientLine, '--to', address, '--id', id])
    await client.next('ready')
    server.tell('usage')
    const before = await server.next('usage')
    client.tell('go')
    const result = await client.next('result')
    server.tell('usage')
    const after = await server.next('usage')
    await client.end()
    await server.end()
    const serverUsed = {
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      rssGrowthBytes: after.rssBytes - before.rssBytes,
    }
    return {
      figures: result.figures,
      seconds: result.seconds,
      cpuSeconds: result.cpuSeconds + serverUsed.cpuSeconds,
      client: { cpuSeconds: result.cpuSeconds, rssGrowthBytes: result.rssGrowthBytes },
      server: serverUsed,
    }
  } finally {
    client?.kill()
    server.kill()
  }
}

/** The files of the JavaScript pair. */
const FILES = {
  w1: 'w1-stream.mjs',
  w2: 'w2-request.mjs',
  w3: 'w3-connect.mjs',
  w4: 'w4-idle.mjs',
  w5: 'w5-datagram.mjs',
}

/**
 * Command lines of the JavaScript pair.
 * @param {string} workload 'w1' to 'w5'
 * @param {string[]} flags those of the client
 * @param {string[]} [both] those of both sides
 */
export function gaiwanPair(workload, flags, both = []) {
  // W4 reads memory: without a collection before each reading it would measure the garbage of the dials.
  const node = [process.execPath, ...(workload === 'w4' ? ['--expose-gc'] : []), `bench/${FILES[workload]}`]
  return { name: `gaiwan ${workload}`, server: [...node, 'server', ...both], client: [...node, 'client', ...flags, ...both] }
}

/** Command lines of the Rust pair; as `gaiwanPair`. */
export function basePair(binary, workload, flags, both = []) {
  return {
    name: `base ${workload}`,
    server: [binary, 'server', ...both],
    client: [binary, 'client', '--workload', workload, ...flags, ...both],
  }
}

/** Measures one JavaScript pair of a workload's file, run with no role. */
export function measureAlone(workload, args) {
  const both = args.filter((arg) => arg === '--streams')
  return measure(
    gaiwanPair(
      workload,
      args.filter((arg) => arg !== '--streams'),
      both,
    ),
  )
}

/** Builds the Rust pair where it is stale (cargo knows) and gives the path of its binary. */
export function buildBase() {
  const args = ['build', '--release', '--locked', '-p', 'gaiwan-bench-pair', '--message-format', 'json-render-diagnostics']
  const cargo = spawnSync('cargo', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28 })
  if (cargo.error) throw new Error('the Rust pair needs cargo: install Rust from https://rustup.rs', { cause: cargo.error })
  if (cargo.status !== 0) throw new Error('cargo build of gaiwan-bench-pair failed')
  for (const line of cargo.stdout.toString().split('\n')) {
    if (!line.startsWith('{')) continue
    const { executable, target } = JSON.parse(line)
    if (executable && target.name === 'gaiwan-bench-pair') return executable
  }
  throw new Error('cargo named no binary of gaiwan-bench-pair')
}
