// A user's machine: an empty folder, a home and a cache of its own, and a PATH that holds a node, a shell and nothing else.
// The spec files that use it run their tests one after the other: a dozen npms at once would take the time of the tests beside them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { npmScript } from '../../scripts/lib/steps.mjs'
import { temporaryFolder, top } from './folders.js'

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}
interface MachineOptions {
  /** The node that runs everything, npm too [the one that runs the tests]. */
  readonly node?: string
  /** The name of the folder with the program. */
  readonly name?: string
  /** Where npm asks for packages [nowhere: a registry that nobody answers at]. */
  readonly registry?: string
}

/** Port 9 is discard: a connection to it is refused at once, so whatever asks the network fails instead of reaching it. */
const NOWHERE = 'http://127.0.0.1:9/'

export class Machine {
  /** Where the user's program lies. */
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly #node: string

  constructor(t: ExecutionContext, { node = process.execPath, name = 'app', registry = NOWHERE }: MachineOptions = {}) {
    const own = temporaryFolder(t)
    this.folder = join(own, name)
    this.#node = node
    const [bin, home, tmp] = ['bin', 'home', 'tmp'].map((one) => join(own, one)) as [string, string, string]
    for (const folder of [this.folder, bin, home, tmp]) mkdirSync(folder)
    cpSync(join(top, '__test__/package/app'), this.folder, { recursive: true })
    if (process.platform !== 'win32') {
      symlinkSync(node, join(bin, 'node'))
      symlinkSync('/bin/sh', join(bin, 'sh'))
    }
    const { SystemRoot } = process.env
    this.env = {
      ...(SystemRoot ? { SystemRoot, PATH: dirname(node) } : { PATH: bin }),
      HOME: home,
      USERPROFILE: home,
      TMPDIR: tmp,
      NO_COLOR: '1',
      npm_config_cache: join(own, 'cache'),
      npm_config_registry: registry,
      npm_config_fetch_retries: '0',
      npm_config_update_notifier: 'false',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      npm_config_loglevel: 'warn',
    }
  }

  /** Runs node with `args` where the program lies. */
  node(...args: string[]): Promise<Outcome> {
    return this.run(this.#node, args)
  }

  /** Runs npm with `args`, under this machine's node. */
  npm(...args: string[]): Promise<Outcome> {
    const script = npmScript()
    if (!script) throw new Error('npm is not where it is looked for: see scripts/lib/steps.mjs')
    return this.node(script, ...args)
  }

  /** Installs into a program that has just a name; the test fails when npm does, or says anything beside its summary. */
  async install(t: ExecutionContext, ...args: string[]): Promise<void> {
    const { status, stdout, stderr } = await this.npm('install', ...args)
    t.is(status, 0, stdout + stderr)
    t.is(stderr, '', 'npm has nothing to warn of')
  }

  /** Runs a command to its end; it is killed after two minutes. */
  async run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
    const child = spawn(command, args, { cwd: this.folder, env: { ...this.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const heard = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        heard[name] += text
      })
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), 120_000)
    const [status] = (await once(child, 'close')) as [number | null]
    clearTimeout(timer)
    return { status, ...heard }
  }
}

/** What the programs of `app/` print when all is well, with nothing on stderr. */
export const WELL: Outcome = { status: 0, stdout: '{"echo":true,"blob":true,"bytes":6000002}\n', stderr: '' }
