// Runs a program of examples/ or samples/ as users do, to its end.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { join } from 'node:path'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

/** The top of the repository, absolute. */
export const top = fileURLToPath(new URL('../..', import.meta.url))

/** By its address: a program may work in a folder that knows no packages. */
const TSX = import.meta.resolve('tsx')

/** How a program ended. */
export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A running program. */
export class Program {
  readonly ended: Promise<Ended>
  /** Its stdin, if that was asked for; else what is written goes nowhere. */
  readonly stdin: Writable
  readonly #child: ChildProcessByStdio<Writable | null, Readable, Readable>
  readonly #waiting = new Set<() => void>()
  #out = ''
  #err = ''
  #over = false

  /**
   * Starts the TypeScript file at `path`, which is relative to the top; it is killed with the test if it is still there.
   *
   * @param cwd where it works [the top]
   * @param stdin whether it has one
   */
  static start(
    t: ExecutionContext<unknown>,
    path: string,
    args: readonly string[] = [],
    cwd: string = top,
    stdin: 'ignore' | 'pipe' = 'ignore',
  ): Program {
    const child = spawn(process.execPath, [`--import=${TSX}`, join(top, path), ...args], {
      cwd,
      stdio: [stdin, 'pipe', 'pipe'],
    }) as ChildProcessByStdio<Writable | null, Readable, Readable>
    t.teardown(() => void child.kill('SIGKILL'))
    return new Program(child)
  }

  private constructor(child: ChildProcessByStdio<Writable | null, Readable, Readable>) {
    this.#child = child
    this.stdin = child.stdin ?? new PassThrough().resume()
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#out += text
      this.#look()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text
    })
    this.ended = new Promise((resolve) => {
      child.once('close', (status, signal) => {
        this.#over = true
        this.#look()
        resolve({ status, signal, stdout: this.#out, stderr: this.#err })
      })
    })
  }

  /** Waits until stdout matches; answers the first group. */
  says(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(this.#out)
        if (!found && !this.#over) return
        this.#waiting.delete(look)
        if (found) resolve(found[1] ?? found[0])
        else reject(new Error(`the program ended without saying ${pattern}: ${this.#out}${this.#err}`))
      }
      this.#waiting.add(look)
      look()
    })
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}

/** Runs a program to its end. */
export function run(t: ExecutionContext<unknown>, path: string, ...args: string[]): Promise<Ended> {
  return Program.start(t, path, args).ended
}
