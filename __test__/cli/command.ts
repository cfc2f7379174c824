// Runs the command from its sources, as users run it: arguments, stdin, stdout, stderr, signals and an exit status.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

const top = fileURLToPath(new URL('../..', import.meta.url))
const main = join(top, 'ts/cli/main.ts')

/** Keeps all traffic of the tests on this machine. */
export const LOOPBACK = ['--bind', '127.0.0.1:0'] as const

export type Json = Record<string, unknown>
/** How a command ended. */
export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface StartOptions {
  readonly reads?: boolean
  /** Beside what is there. */
  readonly env?: Readonly<Record<string, string>>
}

/** A running command. */
export class Command {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly ended: Promise<Ended>
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #out: Buffer[] = []
  #err = ''
  #over = false
  readonly #waiting = new Set<() => void>()

  /** Starts `gaiwan ...args`; it is killed with the test if it is still there. `reads: false` leaves its stdout unread. */
  static start(t: ExecutionContext<unknown>, args: readonly string[], { reads = true, env = {} }: StartOptions = {}): Command {
    const child = spawn(process.execPath, ['--import=tsx', main, ...args], {
      cwd: top,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    // Waited for, so that it makes nothing more in a folder that is removed next.
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    t.teardown(() => {
      child.kill('SIGKILL')
      return gone
    })
    return new Command(child, reads)
  }

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>, reads: boolean) {
    this.#child = child
    this.stdin = child.stdin
    this.stdout = child.stdout
    // A command that ended closes its stdin; what a test still writes then is lost, as in a shell.
    child.stdin.on('error', () => {})
    if (reads) {
      child.stdout.on('data', (chunk: Buffer) => {
        this.#out.push(chunk)
        this.#look()
      })
    }
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text
      this.#look()
    })
    this.ended = new Promise((resolve) => {
      child.once('close', (status, signal) => {
        this.#over = true
        this.#look()
        resolve({ status, signal, stdout: Buffer.concat(this.#out), stderr: this.#err })
      })
    })
  }

  /** What it has said on stdout and stderr so far. */
  get said(): { stdout: string; stderr: string } {
    return { stdout: Buffer.concat(this.#out).toString('utf8'), stderr: this.#err }
  }

  /** Waits until `find` answers something, which it is asked after everything the command says. */
  until<T>(find: (said: { stdout: string; stderr: string }) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = find(this.said)
        if (found === undefined && !this.#over) return
        this.#waiting.delete(look)
        if (found !== undefined) resolve(found)
        else reject(new Error(`the command ended without saying it: ${this.said.stdout}${this.said.stderr}`))
      }
      this.#waiting.add(look)
      look()
    })
  }

  /** The first event of that name, of a command that was started with `--json`. */
  event(name: string): Promise<Json> {
    return this.until(({ stdout, stderr }) => [...jsonLines(stdout), ...jsonLines(stderr)].find(({ event }) => event === name))
  }

  /** The ticket of a command that listens. */
  async ticket(): Promise<string> {
    return String((await this.event('listening')).ticket)
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}

/** Runs a command to its end with `input` on its stdin. */
export async function gaiwan(
  t: ExecutionContext<unknown>,
  args: readonly string[],
  input: string | Uint8Array = '',
  options: StartOptions = {},
): Promise<Ended> {
  const command = Command.start(t, args, options)
  command.stdin.end(input)
  return await command.ended
}

/** The whole lines of `text` that are JSON objects. */
export function jsonLines(text: string): Json[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Json)
}

/** A new empty folder that goes with the test. */
export function folder(t: ExecutionContext<unknown>): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'gaiwan-cli-')))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}
