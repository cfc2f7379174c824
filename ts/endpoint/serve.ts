// Answers to requests, one crossing each way.
import type { GaiwanError } from '../errors.js'
import { applicationCodeOf } from '../errors.js'
import { type Bytes, type BytesLike, u64 } from '../wire/bytes.js'
import { isBytes } from '../wire/check.js'
import { FAIL, RESPOND } from '../wire/records.js'
import type { Sink } from './call.js'
import type { Connection } from './connection.js'
import type { ConnectionCore } from './connection-core.js'

export type RequestHandler = (body: Bytes) => BytesLike | Promise<BytesLike>

/** The loop of one `serve`. Lives, and holds its connection, until that ends. */
export class Serving implements Sink {
  readonly #core: ConnectionCore
  readonly #connection: Connection
  readonly #handler: RequestHandler
  readonly #resolve: () => void
  readonly #reject: (reason: unknown) => void
  readonly #signal: AbortSignal | undefined
  readonly #sub: number

  private constructor(
    core: ConnectionCore,
    connection: Connection,
    handler: RequestHandler,
    signal: AbortSignal | undefined,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ) {
    this.#core = core
    this.#connection = connection
    this.#handler = handler
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    this.#sub = core.bridge.nextId()
  }

  /** Resolves once either application closed the connection; rejects when it was lost. */
  static run(
    core: ConnectionCore,
    connection: Connection,
    handler: RequestHandler,
    maxRequestBytes: number,
    concurrency: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (core.lease.handle === 0) return core.endedWell ? Promise.resolve() : Promise.reject(core.error)
    return new Promise((resolve, reject) => {
      const serving = new Serving(core, connection, handler, signal, resolve, reject)
      core.bridge.direct.serve(core.lease.handle, serving.#sub, maxRequestBytes, concurrency)
      core.bridge.listen(serving.#sub, serving)
      signal?.addEventListener('abort', serving)
    })
  }

  take(responder: number, body: Bytes): void {
    let answer: BytesLike | Promise<BytesLike>
    try {
      answer = this.#handler(body)
    } catch (error) {
      this.#fail(responder, error)
      return
    }
    if (typeof answer === 'string' || isBytes(answer)) {
      this.#core.bridge.submit(RESPOND, responder, 0, 0, answer)
    } else {
      Promise.resolve(answer).then(
        (late) => this.#respond(responder, late),
        (error) => this.#fail(responder, error),
      )
    }
  }

  end(error: GaiwanError | null): void {
    this.#signal?.removeEventListener('abort', this)
    // Learns how it ended, so that native state can go.
    void this.#core.closeInfo
    if (error === null) this.#resolve()
    else this.#reject(error)
  }

  /** The signal's event. */
  handleEvent(): void {
    this.#signal?.removeEventListener('abort', this)
    this.#core.bridge.cancel(this.#sub)
    this.#reject(this.#signal?.reason)
  }

  #respond(responder: number, answer: BytesLike): void {
    if (typeof answer === 'string' || isBytes(answer)) this.#core.bridge.submit(RESPOND, responder, 0, 0, answer)
    else this.#fail(responder, new TypeError('the handler of serve: expected a Uint8Array or a string as its answer'))
  }

  #fail(responder: number, error: unknown): void {
    this.#core.bridge.submit(FAIL, responder, 0, 0, u64(applicationCodeOf(error)))
    this.#core.endpoint.handlerError(error, this.#connection)
  }
}
