// Commands on blobs as users run them, with a cache, a store and a place to work of their own.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { Command, type Ended, folder, gaiwan, LOOPBACK } from '../command.js'

/** A user with a home. */
export class User {
  readonly home: string
  readonly #t: ExecutionContext<unknown>

  constructor(t: ExecutionContext<unknown>) {
    this.#t = t
    this.home = folder(t)
  }

  get env(): Record<string, string> {
    return { XDG_CACHE_HOME: join(this.home, 'cache'), XDG_DATA_HOME: join(this.home, 'data'), GAIWAN_STORE: '' }
  }

  path(...names: string[]): string {
    const path = join(this.home, ...names)
    mkdirSync(dirname(path), { recursive: true })
    return path
  }

  start(command: string, ...args: string[]): Command {
    return Command.start(this.#t, [...command.split(' '), ...LOOPBACK, '--json', ...args], { env: this.env })
  }

  run(command: string, ...args: string[]): Promise<Ended> {
    return gaiwan(this.#t, [...command.split(' '), ...LOOPBACK, ...args], '', { env: this.env })
  }

  pipe(input: string | Uint8Array, command: string, ...args: string[]): Promise<Ended> {
    return gaiwan(this.#t, [...command.split(' '), ...LOOPBACK, ...args], input, { env: this.env })
  }

  /** Stores that transfers have left in the cache. */
  left(kind: 'send' | 'receive'): string[] {
    const path = join(this.home, 'cache/gaiwan', kind)
    return existsSync(path) ? readdirSync(path) : []
  }
}
