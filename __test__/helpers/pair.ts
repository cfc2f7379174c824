// Endpoints, connections and streams on 127.0.0.1, closed when the test ends.
import type { ExecutionContext } from 'ava'
import { type BiStream, type Connection, type ConnectOptions, Endpoint, type EndpointOptions } from '../../ts/index.js'

export const ALPN = 'gaiwan-test/1'
export const LOOPBACK = '127.0.0.1:0'

type Test = ExecutionContext<unknown>

/** An endpoint on a free port of 127.0.0.1. */
export async function bind(t: Test, options: EndpointOptions = {}): Promise<Endpoint> {
  const endpoint = await Endpoint.bind({ bind: LOOPBACK, closeTimeoutMs: 1_000, ...options })
  t.teardown(() => endpoint.close())
  return endpoint
}

export interface EndpointPair {
  readonly dialer: Endpoint
  readonly acceptor: Endpoint
}

/** One that dials and one that accepts `ALPN`. */
export async function endpointPair(t: Test, dialer: EndpointOptions = {}, acceptor: EndpointOptions = {}): Promise<EndpointPair> {
  return { dialer: await bind(t, dialer), acceptor: await bind(t, { alpns: [ALPN], ...acceptor }) }
}

export interface ConnectionPair extends EndpointPair {
  readonly client: Connection
  readonly server: Connection
}

/** Dials and accepts one connection. */
export async function join({ dialer, acceptor }: EndpointPair, options?: ConnectOptions): Promise<ConnectionPair> {
  const [client, server] = await Promise.all([dialer.connect(acceptor.addr, ALPN, options), acceptOne(acceptor)])
  return { dialer, acceptor, client, server }
}

/** The next connection of an endpoint; fails when it is closed first. */
export async function acceptOne(acceptor: Endpoint): Promise<Connection> {
  const incoming = await acceptor.accept()
  if (incoming === null) throw new Error('the endpoint was closed before a dialer came')
  return incoming.accept()
}

/** Both ends of one connection. */
export async function connectionPair(t: Test, dialer?: EndpointOptions, acceptor?: EndpointOptions): Promise<ConnectionPair> {
  return join(await endpointPair(t, dialer, acceptor))
}

export interface StreamPair extends ConnectionPair, BiStream {
  /** The other end of the same stream. */
  readonly peer: BiStream
}

/** Both ends of one bi stream; a first byte has made it visible and is read already. */
export async function streamPair(t: Test, dialer?: EndpointOptions, acceptor?: EndpointOptions): Promise<StreamPair> {
  const pair = await connectionPair(t, dialer, acceptor)
  return { ...pair, ...(await stream(pair)) }
}

/** One more stream of a connection. */
export async function stream({ client, server }: ConnectionPair): Promise<BiStream & { readonly peer: BiStream }> {
  const own = await client.openBi()
  await own.send.write('!')
  const peer = await server.acceptBi()
  if (peer === null) throw new Error('the connection was closed before the stream came')
  await peer.recv.readExact(1)
  return { send: own.send, recv: own.recv, readable: own.readable, writable: own.writable, duplex: () => own.duplex(), peer }
}

/** UTF-8 both ways, for what tests send. */
export const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : new TextDecoder().decode(bytes))

/** Bytes that repeat only after a while, so that a shift shows. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let n = 0; n < length; n++) bytes[n] = (n * 31 + (n >>> 8)) & 0xff
  return bytes
}

/** Waits until `condition` holds, looking once a turn of the event loop; fails after `ms`. */
export async function until(condition: () => boolean, ms = 60_000): Promise<void> {
  const end = Date.now() + ms
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not so within ${ms} ms: ${condition}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
