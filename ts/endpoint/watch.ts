// A value that can be watched: the newest counts, those between may be skipped.

/** Gives the value of `read` at once and after each `changed`, until `end`. */
export class Watched<T> {
  readonly #read: () => T
  readonly #watchers = new Set<Watcher<T>>()
  #over = false

  constructor(read: () => T) {
    this.#read = read
  }

  /** How many look. */
  get size(): number {
    return this.#watchers.size
  }

  changed(): void {
    for (const watcher of this.#watchers) watcher.notify()
  }

  /** Every watcher ends, those to come at once. */
  end(): void {
    this.#over = true
    for (const watcher of this.#watchers) watcher.stop()
    this.#watchers.clear()
  }

  /** Each iteration watches on its own. `start` is called when one begins, what it answers when that one ends. */
  watch(start: () => () => void = () => () => {}): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () => {
        if (this.#over) return new Watcher(this.#read, true, () => {})
        const stopped = start()
        const watcher: Watcher<T> = new Watcher(this.#read, false, () => {
          this.#watchers.delete(watcher)
          stopped()
        })
        this.#watchers.add(watcher)
        return watcher
      },
    }
  }
}

class Watcher<T> implements AsyncIterator<T, undefined, undefined> {
  readonly #read: () => T
  readonly #left: () => void
  readonly #waiting: Array<(result: IteratorResult<T, undefined>) => void> = []
  #news = true
  #over: boolean

  constructor(read: () => T, over: boolean, left: () => void) {
    this.#read = read
    this.#over = over
    this.#left = left
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#over) return Promise.resolve({ value: undefined, done: true })
    if (!this.#news) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#news = false
    return Promise.resolve({ value: this.#read(), done: false })
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.stop()
    return Promise.resolve({ value: undefined, done: true })
  }

  notify(): void {
    const resolve = this.#waiting.shift()
    if (resolve === undefined) this.#news = true
    else resolve({ value: this.#read(), done: false })
  }

  stop(): void {
    if (this.#over) return
    this.#over = true
    this.#left()
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true })
  }
}
