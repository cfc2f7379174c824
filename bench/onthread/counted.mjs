import { words } from '../w1-stream.mjs'

/** Lengths of one-way streams that ended, and those who ask for them. */
export class Counted {
  #bytes = 0
  #ended = []
  #asking = []

  /** Takes bytes, or null for the end of a stream. */
  add(chunk) {
    if (chunk) {
      this.#bytes += chunk.length
      return
    }
    this.#ended.push(words(this.#bytes))
    this.#bytes = 0
    this.#pair()
  }

  /** The length of the next stream that nobody has asked for, once it has ended. */
  next() {
    return new Promise((resolve) => {
      this.#asking.push(resolve)
      this.#pair()
    })
  }

  #pair() {
    while (this.#ended.length && this.#asking.length) this.#asking.shift()(this.#ended.shift())
  }
}
