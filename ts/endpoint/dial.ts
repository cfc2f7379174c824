// Dialing: hooks, then addresses, then one QUIC attempt.
import { GaiwanError } from '../errors.js'
import type { NativeConnectOptions } from '../native.js'
import type { Bytes } from '../wire/bytes.js'
import type { EndpointAddr } from './addr.js'
import type { Abortable } from './call.js'
import { ConnectionCore } from './connection-core.js'
import { type EndpointCore, endpointClosed } from './endpoint-core.js'
import { readFacts } from './facts.js'
import { askBeforeConnect } from './hooks.js'
import { nearestFirst } from './local.js'
import { type LookupCounts, Resolution } from './resolve.js'

/** What one dial needs. */
export interface Dial {
  readonly to: EndpointAddr
  readonly alpns: readonly Bytes[]
  readonly options: NativeConnectOptions
  readonly signal: AbortSignal | undefined
}

/** Failures that another address may not have. */
const WORTH_ANOTHER = ['HANDSHAKE_TIMEOUT', 'PEER_KEY_MISMATCH', 'CONNECTION_REFUSED'] as const

/** @throws {GaiwanError} codes of the endpoint and of the handshake */
export async function dial(endpoint: EndpointCore, counts: LookupCounts, { to, alpns, options, signal }: Dial): Promise<ConnectionCore> {
  endpoint.check()
  signal?.throwIfAborted()
  const stop = new Stop(endpoint, signal)
  try {
    const { hooks } = endpoint.settings
    if (hooks.some((hook) => hook.beforeConnect)) await stop.race(askBeforeConnect(hooks, to, alpns))
    if (to.id === endpoint.id) throw new GaiwanError('SELF_DIAL', 'the id to dial is our own')
    const { addresses = [] } = to
    if (addresses.length > 0) return await attempt(endpoint, to.id, addresses, alpns, options, signal)
    return await search(endpoint, counts, stop, { to, alpns, options, signal })
  } finally {
    stop.done()
  }
}

/** Dials the first addresses that a lookup finds; others that came meanwhile are the second try. */
async function search(endpoint: EndpointCore, counts: LookupCounts, stop: Stop, dial: Dial): Promise<ConnectionCore> {
  const { to, alpns, options, signal } = dial
  const { lookups } = endpoint.publisher
  if (lookups.length === 0) throw new GaiwanError('NO_ADDRESS', 'no address was given and no lookup is set')
  const patience = AbortSignal.timeout(options.timeoutMs ?? endpoint.settings.handshakeTimeoutMs)
  const resolution = new Resolution(lookups, to.id, counts, AbortSignal.any([stop.signal, patience]))
  const tried = new Set<string>()
  let last: GaiwanError | null = null
  try {
    for (;;) {
      const fresh = await more(resolution, tried, patience)
      if (fresh.length === 0) throw last ?? new GaiwanError('NO_ADDRESS', 'no lookup found an address to dial')
      for (const address of fresh) tried.add(address)
      try {
        return await attempt(endpoint, to.id, fresh, alpns, options, signal)
      } catch (error) {
        if (!GaiwanError.is(error, ...WORTH_ANOTHER)) throw error
        last = error
      }
    }
  } finally {
    resolution.close()
  }
}

/** Addresses that were not tried: those that wait, or the next that come; none when there are no more. */
async function more(resolution: Resolution, tried: ReadonlySet<string>, patience: AbortSignal): Promise<string[]> {
  try {
    for (;;) {
      const next = await resolution.next()
      if (next.done) return []
      const found = [next.value, ...resolution.taken()].flatMap(({ addr }) => addr.addresses ?? [])
      const fresh = found.filter((address) => !tried.has(address))
      if (fresh.length > 0) return fresh
    }
  } catch (error) {
    // Time is up: what was found so far is all there is.
    if (patience.aborted && error === patience.reason) return []
    throw error
  }
}

function attempt(
  endpoint: EndpointCore,
  id: string,
  addresses: readonly string[],
  alpns: readonly Bytes[],
  options: NativeConnectOptions,
  signal: AbortSignal | undefined,
): Promise<ConnectionCore> {
  endpoint.check()
  const { bridge, handle, pending } = endpoint
  return bridge.call(
    (native, call) => native.connect(call, handle, { id, addresses: nearestFirst(addresses) }, [...alpns], options),
    (connection, facts) => new ConnectionCore(endpoint, connection, readFacts(facts)),
    { signal, group: pending },
  )
}

/** Ends what waits in TypeScript, by the user's signal or the close of the endpoint. */
class Stop implements Abortable {
  readonly #endpoint: EndpointCore
  readonly #abort = new AbortController()
  readonly #user: AbortSignal | undefined

  constructor(endpoint: EndpointCore, user: AbortSignal | undefined) {
    this.#endpoint = endpoint
    this.#user = user
    user?.addEventListener('abort', this)
    endpoint.pending.add(this)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** The signal's event. */
  handleEvent(): void {
    this.abort(this.#user?.reason)
  }

  abort(reason: unknown = endpointClosed()): void {
    this.#abort.abort(reason)
  }

  race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      work.then(resolve, reject)
    })
  }

  done(): void {
    this.#user?.removeEventListener('abort', this)
    this.#endpoint.pending.delete(this)
  }
}
