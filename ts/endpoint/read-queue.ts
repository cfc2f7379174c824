// Reads of one stream, one behind the other.
import { fromThrown, type GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import type { Bridge } from './bridge.js'
import type { Sink } from './call.js'

/** There is nothing yet; a record will say when it is worth another try. */
export const PENDING = Symbol('pending')
export type Poll<T> = T | typeof PENDING

/** Runs attempts to read; one that must wait makes those behind it wait too. */
export class ReadQueue {
  readonly #bridge: Bridge
  /** Its closure holds the stream, so that it is not collected under a reader that waits. */
  readonly #tell: (failure: GaiwanError | null) => void
  readonly #reads: Read<unknown>[] = []
  #id = 0

  /** @param tell hears when a native call failed, and with null when no read waits any more */
  constructor(bridge: Bridge, tell: (failure: GaiwanError | null) => void) {
    this.#bridge = bridge
    this.#tell = tell
  }

  /** Whether a read waits. */
  get waits(): boolean {
    return this.#reads.length > 0
  }

  /** The id for the native call of the attempt that runs now. */
  nextId(): number {
    this.#id = this.#bridge.nextId()
    return this.#id
  }

  /**
   * Tries at once, and again whenever the record of the last `nextId` comes.
   *
   * @param attempt gets the body of that record, null at the first time; throws to reject
   */
  run<T>(attempt: (body: Bytes | null) => Poll<T>, signal: AbortSignal | undefined): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const first = this.#reads.length === 0
    if (first) {
      try {
        const result = attempt(null)
        if (result !== PENDING) return Promise.resolve(result)
      } catch (error) {
        return Promise.reject(fail(error))
      }
    }
    return new Promise((resolve, reject) => {
      const read = new Read(this, attempt, resolve, reject, signal) as unknown as Read<unknown>
      this.#reads.push(read)
      if (first) this.#listen(read)
    })
  }

  /** Rejects all reads that wait. */
  fail(error: unknown): void {
    const [first, ...rest] = this.#reads.splice(0)
    if (first === undefined) return
    this.#bridge.cancel(first.id)
    for (const read of [first, ...rest]) read.reject(error)
  }

  /** A record came for the first read. */
  retry(body: Bytes): void {
    const read = this.#reads[0]
    if (read !== undefined && !this.#attempt(read, body)) this.#listen(read)
    else this.#next()
  }

  /** Tries the first read again without a record for it: its waker may have been taken over. */
  nudge(): void {
    const read = this.#reads[0]
    if (read === undefined) return
    const before = read.id
    const settled = this.#attempt(read, null)
    if (settled || this.#id !== before) this.#bridge.forget(before)
    if (settled) this.#next()
    else this.#listen(read)
  }

  /** A native call of the first read failed. */
  failFirst(error: GaiwanError): void {
    this.#tell(error)
    this.#reads.shift()?.reject(error)
    this.#next()
  }

  /** A signal ended a read. */
  drop(read: Read<unknown>): void {
    const at = this.#reads.indexOf(read)
    this.#reads.splice(at, 1)
    if (at > 0) return
    this.#bridge.cancel(read.id)
    this.#next()
  }

  /** Runs the reads behind, until one must wait. */
  #next(): void {
    for (let read = this.#reads[0]; read !== undefined; read = this.#reads[0]) {
      if (!this.#attempt(read, null)) {
        this.#listen(read)
        return
      }
    }
    this.#tell(null)
  }

  /** Whether the read is settled; then it is off the queue. */
  #attempt(read: Read<unknown>, body: Bytes | null): boolean {
    try {
      const result = read.attempt(body)
      if (result === PENDING) return false
      this.#reads.shift()
      read.resolve(result)
    } catch (error) {
      this.#reads.shift()
      read.reject(fail(error))
    }
    return true
  }

  #listen(read: Read<unknown>): void {
    read.id = this.#id
    this.#bridge.listen(this.#id, read)
  }
}

/** One read that waits. */
class Read<T> implements Sink {
  /** What it waits on, while it is the first. */
  id = 0
  readonly attempt: (body: Bytes | null) => Poll<T>
  readonly #queue: ReadQueue
  readonly #resolve: (value: T) => void
  readonly #reject: (reason: unknown) => void
  readonly #signal: AbortSignal | undefined

  constructor(
    queue: ReadQueue,
    attempt: (body: Bytes | null) => Poll<T>,
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#queue = queue
    this.attempt = attempt
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = signal
    signal?.addEventListener('abort', this)
  }

  take(_: number, body: Bytes): void {
    this.#queue.retry(body)
  }

  end(error: GaiwanError | null): void {
    if (error !== null) this.#queue.failFirst(error)
  }

  resolve(value: T): void {
    this.#signal?.removeEventListener('abort', this)
    this.#resolve(value)
  }

  reject(reason: unknown): void {
    this.#signal?.removeEventListener('abort', this)
    this.#reject(reason)
  }

  /** The signal's event. */
  handleEvent(): void {
    this.#queue.drop(this as unknown as Read<unknown>)
    this.reject(this.#signal?.reason)
  }
}

function fail(error: unknown): unknown {
  return error instanceof TypeError ? error : fromThrown(error)
}
