// A small typed emitter: no event of it can throw into the code that emits.

type Listener<A extends unknown[]> = (...args: A) => void

export class Emitter<Events extends { [K in keyof Events]: unknown[] }> {
  readonly #listeners = new Map<keyof Events, Listener<never>[]>()

  on<K extends keyof Events>(event: K, listener: Listener<Events[K]>): void {
    if (typeof listener !== 'function') throw new TypeError('listener: expected a function')
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener])
  }

  off<K extends keyof Events>(event: K, listener: Listener<Events[K]>): void {
    const rest = [...(this.#listeners.get(event) ?? [])]
    const at = rest.lastIndexOf(listener)
    if (at >= 0) rest.splice(at, 1)
    this.#listeners.set(event, rest)
  }

  /** Whether somebody listened. A listener that throws is heard as an uncaught exception. */
  emit<K extends keyof Events>(event: K, ...args: Events[K]): boolean {
    const listeners = this.#listeners.get(event) ?? []
    for (const listener of listeners) {
      try {
        ;(listener as Listener<Events[K]>)(...args)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
    return listeners.length > 0
  }
}
