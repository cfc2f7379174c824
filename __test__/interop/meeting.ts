// Brings a gaiwan endpoint and the iroh peer together, whoever dials.
import type { ExecutionContext } from 'ava'
import { type Connection, Endpoint, type EndpointOptions, type GaiwanError, type Incoming } from '../../ts/index.js'
import { Peer, type PeerBindOptions, PeerError } from './peer.js'
import type { PeerConnection, PeerEndpoint, PeerPolicy } from './peer-handles.js'

export const ALPN = 'interop/test/1'

/** Who dials. */
export type Dialer = 'gaiwan' | 'iroh'
export const DIALERS: readonly Dialer[] = ['gaiwan', 'iroh']

/** How the title of a test says it. */
export function says(dialer: Dialer): string {
  return dialer === 'gaiwan' ? 'gaiwan dials iroh' : 'iroh dials gaiwan'
}

export interface MeetOptions {
  readonly gaiwan?: EndpointOptions
  readonly iroh?: PeerBindOptions
  /** What the peer does by itself when it accepts. */
  readonly serve?: PeerPolicy['serve']
}
export interface Meeting {
  readonly peer: Peer
  readonly endpoint: Endpoint
  readonly there: PeerEndpoint
  /** Our end of the connection. */
  readonly gaiwan: Connection
  /** The peer's end of it. */
  readonly iroh: PeerConnection
}

/** A gaiwan endpoint on a free port of 127.0.0.1 that closes with the test. */
export async function bind(t: ExecutionContext<unknown>, options: EndpointOptions = {}): Promise<Endpoint> {
  const limits = { handshakeTimeoutMs: 60_000, ...options.limits }
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0', alpns: [ALPN], ...options, limits })
  t.teardown(() => endpoint.close())
  return endpoint
}

/** A connection between the two, with both ends in hand. */
export async function meet(t: ExecutionContext<unknown>, dialer: Dialer, options: MeetOptions = {}): Promise<Meeting> {
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t, options.gaiwan), peer.bind({ alpns: [ALPN], ...options.iroh })])
  if (dialer === 'gaiwan') {
    await there.accept({ serve: options.serve ?? 'hold' })
    const [gaiwan, iroh] = await Promise.all([endpoint.connect(there.addr, ALPN), there.nextConnection()])
    return { peer, endpoint, there, gaiwan, iroh }
  }
  const [gaiwan, iroh] = await Promise.all([nextConnection(endpoint), there.connect(endpoint.addr, ALPN)])
  return { peer, endpoint, there, gaiwan, iroh }
}

/** The next attempt at our endpoint. */
export async function nextIncoming(endpoint: Endpoint): Promise<Incoming> {
  const incoming = await endpoint.accept()
  if (incoming === null) throw new Error('the endpoint closed while an attempt was awaited')
  return incoming
}

/** The next attempt at our endpoint, accepted. */
export async function nextConnection(endpoint: Endpoint): Promise<Connection> {
  return await (await nextIncoming(endpoint)).accept()
}

/** Runs `call`, which must fail at the peer; how it failed. */
export async function peerFails(t: ExecutionContext<unknown>, call: Promise<unknown>): Promise<{ kind: string; code: bigint | null }> {
  const error = await t.throwsAsync(call, { instanceOf: PeerError })
  return { kind: error?.kind ?? 'nothing', code: error?.code ?? null }
}

/** What matters of a `GaiwanError`. */
export function essence(error: GaiwanError | undefined): { code: string; applicationCode: bigint | null } {
  return { code: error?.code ?? 'nothing', applicationCode: error?.applicationCode ?? null }
}

/** A value that the test knows to be there. */
export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('a value that had to be there is not')
  return value
}
