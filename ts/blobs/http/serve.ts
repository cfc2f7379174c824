// A server around the handler, on this machine alone unless told otherwise.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHandler } from './handler.js'
import type { GatewayStore, HandlerOptions } from './options.js'

export interface ServeOptions extends HandlerOptions {
  /** The address to listen at; anything but a loopback address is open to the network ['127.0.0.1']. */
  readonly host?: string
  /** 0 picks a free one [0]. */
  readonly port?: number
  /** Connections at once; more are dropped [256]. */
  readonly maxConnections?: number
  /** Silence on a connection, also of a client that does not read, that ends it [60,000]. */
  readonly idleTimeoutMs?: number
}

/** A running gateway. */
export interface Gateway extends AsyncDisposable {
  /** `http://127.0.0.1:8080`, without a slash at the end. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Stops listening and ends all connections, running answers too. Idempotent. */
  close(): Promise<void>
}

/**
 * Serves `store` over HTTP.
 *
 * @example
 * ```ts
 * await using gateway = await serve(store, { port: 8080 })
 * console.log(`${gateway.url}/${hash}`)
 * ```
 *
 * @throws errors of `listen`, such as `EADDRINUSE`; `TypeError` and `RangeError` for wrong options.
 */
export async function serve(store: GatewayStore, options: ServeOptions = {}): Promise<Gateway> {
  const { host = '127.0.0.1', port = 0, maxConnections = 256, idleTimeoutMs = 60_000, ...rest } = options
  // A name that we were told to listen at is meant.
  const hosts = rest.hosts === '*' ? rest.hosts : [...(rest.hosts ?? []), host]
  const server = createServer(createHandler(store, { ...rest, hosts }))
  server.maxConnections = maxConnections
  server.timeout = idleTimeoutMs
  server.listen({ host, port })
  await once(server, 'listening')
  const at = server.address() as AddressInfo
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
    return closed
  }
  const url = `http://${at.address.includes(':') ? `[${at.address}]` : at.address}:${at.port}`
  return { url, host: at.address, port: at.port, close, [Symbol.asyncDispose]: close }
}
