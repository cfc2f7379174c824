// What an endpoint and everything that belongs to it share.
import { GaiwanError } from '../errors.js'
import { text } from '../wire/bytes.js'
import { AcceptQueue } from './accept.js'
import { type EndpointAddr, normalize } from './addr.js'
import { type Bridge, bridge, keepAlive } from './bridge.js'
import type { Abortable } from './call.js'
import type { Connection } from './connection.js'
import { Emitter } from './events.js'
import { HandshakeHooks } from './hooks.js'
import { nativeKey } from './key.js'
import { ConnectionLease, type Lease } from './lease.js'
import { dialable } from './local.js'
import type { Settings } from './options.js'
import { Publisher } from './publish.js'
import { Watched } from './watch.js'

export interface EndpointEvents {
  addr: [addr: EndpointAddr]
  /** A handler of a Router, or of `serve`, threw. */
  handlerError: [error: unknown, connection: Connection]
  closed: []
}

/** Connections that have ended and whose figures can be read. */
const LINGERING = 64

/** Open endpoints. Until it is closed an endpoint lives, whether or not somebody holds it. */
const open = new Set<EndpointCore>()

export class EndpointCore {
  readonly bridge: Bridge
  readonly settings: Settings
  readonly handle: number
  readonly events = new Emitter<EndpointEvents>()
  /** Connections that are held. */
  readonly connections = new Set<Lease>()
  /** Those that have ended, oldest first. */
  readonly #ended: ConnectionLease[] = []
  /** Calls that `close` ends. */
  readonly pending = new Set<Abortable>()
  readonly incoming = new AcceptQueue(this)
  readonly addrs: Watched<EndpointAddr>
  readonly publisher: Publisher
  readonly abort = new AbortController()
  readonly external: Set<string>
  readonly closed: Promise<void>
  bound: readonly string[]
  readonly #timer: NodeJS.Timeout
  #closing: Promise<void> | null = null
  #resolveClosed!: () => void

  private constructor(owner: Bridge, settings: Settings, handle: number, bound: readonly string[], timer: NodeJS.Timeout) {
    this.bridge = owner
    this.settings = settings
    this.handle = handle
    this.bound = bound
    this.external = new Set(settings.externalAddresses)
    this.#timer = timer
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    this.addrs = new Watched(() => this.addr)
    this.publisher = new Publisher(settings)
    open.add(this)
    this.publisher.publish(this.addr)
  }

  /** @throws {GaiwanError} `BIND_FAILED` */
  static async bind(settings: Settings): Promise<EndpointCore> {
    if (settings.native.keylog) warnKeylog()
    const owner = bridge()
    const timer = keepAlive()
    try {
      const options = { ...settings.native }
      if (settings.hooks.some((hook) => hook.afterHandshake)) {
        options.hookSub = owner.nextId()
        owner.listen(options.hookSub, new HandshakeHooks(owner, settings.hooks))
      }
      return await owner.call(
        (native, id) => native.bind(id, nativeKey(settings.secretKey), options),
        (handle, body) => new EndpointCore(owner, settings, handle, boundOf(text(body)), timer),
      )
    } catch (error) {
      clearInterval(timer)
      throw error
    }
  }

  get id(): string {
    return this.settings.secretKey.id
  }

  /** What others need to dial this endpoint, as known now. */
  get addr(): EndpointAddr {
    return normalize({ id: this.id, addresses: [...dialable(this.bound), ...this.external] }, 'addr')
  }

  get isClosed(): boolean {
    return this.#closing !== null
  }

  /** Throws ENDPOINT_CLOSED after `close`. */
  check(): void {
    if (this.isClosed) throw endpointClosed()
  }

  addrChanged(): void {
    const { addr } = this
    this.publisher.publish(addr)
    this.addrs.changed()
    this.events.emit('addr', addr)
  }

  /** Tells whoever listens; if nobody does, what is no ordinary end of a connection becomes a warning. */
  handlerError(error: unknown, connection: Connection | undefined): void {
    const heard = this.events.emit('handlerError', error, connection as Connection)
    if (heard || GaiwanError.is(error)) return
    const warning = new Error('a handler failed; listen to handlerError of the endpoint to take this', { cause: error })
    warning.name = 'GaiwanWarning'
    if (error instanceof Error && error.stack !== undefined) warning.stack = `${warning.name}: ${warning.message}\n${error.stack}`
    process.emitWarning(warning)
  }

  async rebind(): Promise<void> {
    this.check()
    const { bridge, handle } = this
    this.bound = await bridge.call(
      (native, id) => native.rebind(id, handle),
      (_, body) => boundOf(text(body)),
      { group: this.pending },
    )
    this.addrChanged()
  }

  /** Keeps a connection that has ended for a while, so that its figures can still be read. */
  linger(lease: ConnectionLease): void {
    this.#ended.push(lease)
    const oldest = this.#ended.length > LINGERING ? this.#ended.shift() : undefined
    if (oldest !== undefined) this.bridge.release(oldest)
  }

  unref(): void {
    this.#timer.unref()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // One turn later, so that whoever looks sees `isClosed` in all that follows.
    await null
    const { bridge, handle } = this
    this.abort.abort(endpointClosed())
    this.incoming.close()
    for (const call of [...this.pending]) call.abort(endpointClosed())
    this.addrs.end()
    this.publisher.close()
    await bridge
      .call(
        (native, id) => native.closeEndpoint(id, handle),
        () => {},
      )
      // It is closed in any case.
      .catch(() => {})
    // Each holds the socket; the port must be free when this is done.
    for (const lease of this.connections) {
      if (lease instanceof ConnectionLease) for (const half of lease.halves) bridge.release(half)
      bridge.release(lease)
    }
    bridge.releaseHandle(handle)
    clearInterval(this.#timer)
    open.delete(this)
    this.#resolveClosed()
    this.events.emit('closed')
  }
}

function boundOf(json: string): readonly string[] {
  return (JSON.parse(json) as { boundAddresses: string[] }).boundAddresses
}

export function endpointClosed(): GaiwanError {
  return new GaiwanError('ENDPOINT_CLOSED', 'the endpoint is closed')
}

let warned = false

function warnKeylog(): void {
  if (warned || !process.env.SSLKEYLOGFILE) return
  warned = true
  process.emitWarning('TLS secrets are written to the file named by SSLKEYLOGFILE: whoever has it can read every session', 'GaiwanWarning')
}
