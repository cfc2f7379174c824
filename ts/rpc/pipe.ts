// What flows one way in process: a queue that holds so many values.
import { CANCELLED, markError, rpcError } from './errors.js'
import { DONE, type Next, type Receiver, type Sender } from './half.js'
import { FIN, type Incoming, MARK, Outgoing } from './call.js'

/** Ends and errors are those of a stream. */
export class Pipe implements Receiver, Sender {
  readonly #capacity: number
  readonly #method: string
  readonly #incoming: Incoming
  readonly #outgoing = new Outgoing()
  /** Makes of a value what would come out of a network. */
  readonly #through: ((value: unknown) => unknown) | null
  readonly #onEnd: ((error: unknown) => void) | null
  readonly #values: unknown[] = []
  #head = 0
  /** How the sender ended; null while it may send. */
  #ending: number | null = null
  #over = false
  #failed = false
  #error: unknown = null
  #resolve: ((next: Next) => void) | null = null
  #reject: ((error: unknown) => void) | null = null
  #waiting: Promise<Next> | null = null
  #room: Promise<void> | null = null
  #gotRoom: (() => void) | null = null
  #stop!: () => void
  #arrive!: () => void
  readonly stopped: Promise<void>
  readonly arrived: Promise<void>

  constructor(
    capacity: number,
    method: string,
    incoming: Incoming,
    through: ((value: unknown) => unknown) | null,
    onEnd: ((error: unknown) => void) | null,
  ) {
    this.#capacity = capacity
    this.#method = method
    this.#incoming = incoming
    this.#through = through
    this.#onEnd = onEnd
    this.stopped = new Promise((resolve) => {
      this.#stop = resolve
    })
    this.arrived = new Promise((resolve) => {
      this.#arrive = resolve
    })
  }

  get open(): boolean {
    return this.#outgoing.open
  }

  get full(): boolean {
    return this.#values.length - this.#head >= this.#capacity
  }

  push(value: unknown): Promise<void> | undefined {
    if (!this.#outgoing.open) throw rpcError('STREAM_STOPPED', this.#method, 'the peer reads no more')
    const taken = this.#through === null ? value : this.#through(value)
    if (this.#resolve !== null) {
      const excess = this.#incoming.value()
      if (excess === null) this.#settle({ done: false, value: taken })
      else this.fail(excess)
      return undefined
    }
    this.#values.push(taken)
    if (!this.full) return undefined
    this.#room ??= new Promise((resolve) => {
      this.#gotRoom = resolve
    })
    return this.#room
  }

  finish(): void {
    if (this.#outgoing.finish()) this.#ended(FIN)
  }

  abort(code: number): void {
    if (this.#outgoing.abort()) this.#ended(MARK - code)
  }

  next(): Promise<Next> {
    if (this.#over) return this.#failed ? Promise.reject(this.#error) : Promise.resolve(DONE)
    if (this.#waiting !== null) {
      const later = () => this.next()
      return this.#waiting.then(later, later)
    }
    if (this.#head < this.#values.length) {
      const value = this.#values[this.#head]
      this.#values[this.#head++] = undefined
      if (this.#head > 64 && this.#head * 2 > this.#values.length) {
        this.#values.splice(0, this.#head)
        this.#head = 0
      }
      this.#makeRoom()
      const excess = this.#incoming.value()
      if (excess === null) return Promise.resolve({ done: false, value })
      this.fail(excess)
      return Promise.reject(excess)
    }
    if (this.#ending !== null) {
      const error = this.#incoming.end(this.#ending)
      this.#finish(error)
      return error === null ? Promise.resolve(DONE) : Promise.reject(error)
    }
    this.#waiting = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    return this.#waiting
  }

  close(): void {
    if (this.#over) return
    this.#finish(null)
    this.#settle(DONE)
  }

  fail(error: unknown): void {
    if (this.#over) return
    this.#finish(error)
    this.#refuse(error)
  }

  #ended(how: number): void {
    this.#ending = how
    if (how === FIN) this.#arrive()
    if (this.#resolve === null) return
    const error = this.#incoming.end(how)
    this.#finish(error)
    if (error === null) this.#settle(DONE)
    else this.#refuse(error)
  }

  #settle(next: Next): void {
    const resolve = this.#resolve
    this.#waiting = this.#resolve = this.#reject = null
    resolve?.(next)
  }

  #refuse(error: unknown): void {
    const reject = this.#reject
    this.#waiting = this.#resolve = this.#reject = null
    reject?.(error)
  }

  #makeRoom(): void {
    if (this.#gotRoom === null || this.full) return
    const resolve = this.#gotRoom
    this.#gotRoom = this.#room = null
    resolve()
  }

  #finish(error: unknown): void {
    this.#over = true
    this.#failed = error !== null
    this.#error = error
    this.#values.length = this.#head = 0
    if (this.#outgoing.stop()) this.#stop()
    this.#makeRoom()
    this.#onEnd?.(error)
  }
}

/** Marks of the other half's end. */
export function cancelled(method: string): Error {
  return markError(CANCELLED, method)
}
