// The many answers of one call, as users iterate over them.
import { DONE, type Next, type Receiver } from './half.js'
import type { StreamCall } from './stream-call.js'
import type { Exchange } from './exchange.js'
import type { AnswerStream } from './types.js'

/** Starts its call with the first `next`. */
export class Answers implements AnswerStream<unknown> {
  readonly #call: StreamCall
  readonly #start: () => Promise<Exchange>
  #receiver: Receiver | null = null
  #starting: Promise<Receiver> | null = null
  #iterated = false
  #left = false

  /** @param start opens the call */
  constructor(call: StreamCall, start: () => Promise<Exchange>) {
    this.#call = call
    this.#start = start
  }

  next(): Promise<Next> {
    const receiver = this.#receiver
    if (receiver !== null) return receiver.next()
    if (this.#left) return Promise.resolve(DONE)
    this.#starting ??= this.#begin()
    return this.#starting.then((started) => started.next())
  }

  async return(): Promise<Next> {
    if (this.#left) return DONE
    this.#left = true
    this.#call.leave()
    this.#receiver?.close()
    return DONE
  }

  [Symbol.asyncIterator](): this {
    if (this.#iterated) throw new TypeError('the answers of a call can be iterated over once')
    this.#iterated = true
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  async #begin(): Promise<Receiver> {
    const { answers } = await this.#start()
    const call = this.#call
    // The first answer is looked at once, so that the others come straight from the receiver.
    this.#receiver = {
      next: () => {
        const first = answers.next()
        this.#receiver = answers
        void first.then(
          () => {
            call.answered = true
          },
          () => {},
        )
        return first
      },
      close: () => answers.close(),
      fail: (error) => answers.fail(error),
    }
    return this.#receiver
  }
}
