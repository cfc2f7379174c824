// The requests of one connection.
import type { Connection } from '../endpoint/connection.js'
import { connectionCore } from '../endpoint/connection.js'
import type { ConnectionCore } from '../endpoint/connection-core.js'
import type { Sink } from '../endpoint/call.js'
import { GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import { Context, type Caller } from './context.js'
import { BUSY, isLost, rpcError, SHUTTING_DOWN, TOO_LARGE, UNRECOGNISED } from './errors.js'
import type { AnyHandlers } from './handling.js'
import type { ServerSettings } from './options.js'
import { type Decoded, NO_TRACE, readRequest } from './request.js'
import { refuse, ServerCall } from './server-call.js'
import type { Definition } from './service.js'

export class Serving implements Sink, Caller {
  readonly definition: Definition
  readonly settings: ServerSettings
  readonly connection: Connection
  readonly core: ConnectionCore
  readonly state: Record<PropertyKey, unknown> = {}
  /** Resolves once either application closed the connection; rejects when it was lost. */
  readonly over: Promise<void>
  readonly #handlers: AnyHandlers
  readonly #calls = new Set<ServerCall>()
  #resolve!: () => void
  #reject!: (reason: unknown) => void
  #closing = false
  #idle: (() => void) | null = null

  /** @param maxBytes of any request */
  constructor(definition: Definition, settings: ServerSettings, connection: Connection, handlers: AnyHandlers, maxBytes: number) {
    this.definition = definition
    this.settings = settings
    this.connection = connection
    this.core = connectionCore(connection, 'connection')
    this.#handlers = handlers
    this.over = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const { core } = this
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

  get remoteId(): string {
    return this.connection.remoteId
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
    if (trace !== NO_TRACE) this.settings.extract?.(trace)
    const call = new ServerCall(this, plan, handle, new Context(this, plan.name, trace, false))
    this.#calls.add(call)
    call.start(this.#handlers, request)
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

  /** Refuses what comes, waits for what runs, then aborts it. */
  async shutdown(): Promise<void> {
    this.#closing = true
    if (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.settings.drainMs)
        this.#idle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    for (const call of [...this.#calls]) call.abort(new GaiwanError('RPC_SHUTTING_DOWN', 'the server is shutting down'), SHUTTING_DOWN)
  }
}
