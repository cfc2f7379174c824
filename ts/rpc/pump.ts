// From an iterable into a sender, at the pace of whoever reads.
import type { Sender } from './half.js'
import type { Source } from './types.js'

type Step = IteratorResult<unknown>

/** Pulls the next item only when the sender has taken the last. */
export class Pump {
  readonly #sender: Sender
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>
  #over = false

  constructor(source: Source<unknown>, sender: Sender) {
    this.#sender = sender
    this.#iterator = iteratorOf(source)
  }

  /** True: the source has ended. False: nobody wants more of it, and it was told. Throws what it throws. */
  async run(): Promise<boolean> {
    const sender = this.#sender
    const iterator = this.#iterator
    void sender.stopped.then(() => this.stop())
    try {
      while (!this.#over) {
        const next = iterator.next()
        const step = isStep(next) ? next : await next
        if (step.done) {
          this.#over = true
          return true
        }
        if (this.#over || !sender.open) break
        const room = sender.push(step.value)
        if (room !== undefined) await room
      }
    } catch (error) {
      if (!sender.open) return false
      throw error
    } finally {
      this.stop()
    }
    return false
  }

  /** Nobody wants more: the source is told, at once if it waits. */
  stop(): void {
    if (this.#over) return
    this.#over = true
    try {
      const returned = this.#iterator.return?.()
      if (returned !== undefined && !isStep(returned)) returned.then(undefined, () => {})
    } catch {
      // It was told; what it says to that concerns nobody.
    }
  }
}

function isStep(value: Step | Promise<Step>): value is Step {
  return typeof (value as Partial<Promise<Step>>).then !== 'function'
}

export function isSource(value: unknown): value is Source<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const { [Symbol.asyncIterator]: many, [Symbol.iterator]: some } = value as Partial<AsyncIterable<unknown> & Iterable<unknown>>
  return typeof many === 'function' || typeof some === 'function'
}

function iteratorOf(source: Source<unknown>): Iterator<unknown> | AsyncIterator<unknown> {
  if (!isSource(source)) throw new TypeError('expected an iterable or an async iterable')
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}
