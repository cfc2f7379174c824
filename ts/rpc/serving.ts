// The requests of one connection.
import type { Connection } from '../endpoint/connection.js'
import type { ConnectionCore } from '../endpoint/connection-core.js'
import type { Sink } from '../endpoint/call.js'
import { GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import { Context, type Caller } from './context.js'
import { BUSY, isLost, rpcError, SHUTTING_DOWN, TOO_LARGE, UNRECOGNISED } from './errors.js'
import type { AnyHandlers } from './handling.js'
import type { ServerSettings } from './options.js'
import { type Decoded, readRequest } from './request.js'
import { refuse, ServerCall } from './server-call.js'
import type { Definition } from './service.js'

/** How long what a shutdown aborts may take to hear of it: with the usual `drainMs` less than the 10 s of the Router. */
const FAREWELL_MS = 3_000

export class Serving implements Sink, Caller {
  readonly definition: Definition
  readonly settings: ServerSettings
  readonly core: ConnectionCore
  readonly state: Record<PropertyKey, unknown> = {}
  /** Resolves once either application closed the connection; rejects when it was lost. */
  readonly over: Promise<void>
  readonly #handlers: AnyHandlers
  readonly #calls = new Set<ServerCall>()
  /** Null until the handshake is done. */
  #connection: Connection | null
  /** Early calls that must not be replayed wait for that. */
  readonly #unconfirmed: Array<() => void> = []
  #resolve!: () => void
  #reject!: (reason: unknown) => void
  #closing = false
  #idle: (() => void) | null = null

  /**
   * @param connection null while the handshake runs; then `confirm` brings it
   * @param maxBytes of any request
   */
  constructor(
    definition: Definition,
    settings: ServerSettings,
    core: ConnectionCore,
    connection: Connection | null,
    handlers: AnyHandlers,
    maxBytes: number,
  ) {
    this.definition = definition
    this.settings = settings
    this.core = core
    this.#connection = connection
    this.#handlers = handlers
    this.over = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever accepts the connection may come for it later.
    this.over.catch(() => {})
    if (core.lease.handle === 0) {
      this.end(core.endedWell ? null : core.error)
      return
    }
    const sub = core.bridge.nextId()
    core.bridge.direct.framedAccept(core.lease.handle, sub, {
      maxBytes,
      maxPendingBytes: settings.maxPendingBytes,
      headOfLineMs: settings.headOfLineMs,
      requestTimeoutMs: settings.requestTimeoutMs,
      maxBad: settings.maxBadRequests,
    })
    core.bridge.listen(sub, this)
  }

  get connection(): Connection | null {
    return this.#connection
  }

  get remoteId(): string {
    if (this.#connection === null) throw new GaiwanError('PEER_UNAUTHENTICATED', 'the handshake is not done yet')
    return this.#connection.remoteId
  }

  /** The handshake is done: what waited for it starts, in order. */
  confirm(connection: Connection): void {
    this.#connection = connection
    for (const start of this.#unconfirmed.splice(0)) start()
  }

  /** A request: its handle and its payload. */
  take(handle: number, payload: Bytes): void {
    if (this.#closing) {
      refuse(this, handle, SHUTTING_DOWN, false)
      return
    }
    if (this.#calls.size >= this.settings.maxConcurrent) {
      refuse(this, handle, BUSY, false)
      return
    }
    let decoded: Decoded | null
    try {
      decoded = readRequest(this.definition, payload)
    } catch {
      // No line for each: a peer can send many.
      refuse(this, handle, UNRECOGNISED, true)
      return
    }
    if (decoded === null) {
      refuse(this, handle, TOO_LARGE, true)
      return
    }
    const { plan, request, trace } = decoded
    const { bridge } = this.core
    const early = this.#connection === null || (this.settings.early && this.core.wasEarly && bridge.loose.framedEarly(handle))
    const call = new ServerCall(this, plan, handle, new Context(this, plan.name, trace, early), payload.length)
    this.#calls.add(call)
    const start = () => call.start(this.#handlers, request)
    if (this.#connection === null && !plan.idempotent) this.#unconfirmed.push(start)
    else start()
  }

  end(error: GaiwanError | null): void {
    // Learns how it ended, so that native state can go.
    void this.core.closeInfo
    const reason = isLost(error) ? error : this.core.closeInfo === null ? error : this.core.error
    for (const call of [...this.#calls]) call.abort(reason ?? rpcError('CONNECTION_CLOSED', 'call'), null)
    if (error === null) this.#resolve()
    else this.#reject(error)
  }

  remove(call: ServerCall): void {
    this.#calls.delete(call)
    if (this.#calls.size === 0) this.#idle?.()
  }

  /** Refuses what comes, waits for what runs, then aborts it. Answers have to arrive, too: the Router closes behind this, and a close overtakes them. */
  async shutdown(): Promise<void> {
    this.#closing = true
    if (this.#calls.size === 0) return
    const arrived = Promise.all([...this.#calls].map((call) => call.arrived))
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve
    })
    await within(Promise.all([idle, arrived]), this.settings.drainMs)
    for (const call of [...this.#calls]) call.abort(new GaiwanError('RPC_SHUTTING_DOWN', 'the server is shutting down'), SHUTTING_DOWN)
    await within(arrived, FAREWELL_MS)
  }
}

/** Resolves with `work`, which never rejects, or after so long. */
function within(work: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    void work.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
