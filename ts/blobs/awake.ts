// Keeps the process alive while something is under way; an open store alone does not.
import { keepAlive } from '../endpoint/bridge.js'

/** Counts what is under way, with one timer for all of it. */
export class Awake {
  #count = 0
  #timer: NodeJS.Timeout | null = null

  enter(): void {
    this.#count++
    this.#timer ??= keepAlive()
  }

  leave(): void {
    if (--this.#count > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }
}

const all = new Awake()

/** The same promise, with the process alive until it settles. */
export function awake<T>(promise: Promise<T>): Promise<T> {
  all.enter()
  return promise.finally(() => all.leave())
}
