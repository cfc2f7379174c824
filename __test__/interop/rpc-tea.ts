// The service of `vectors/rpc.json` in TypeScript, and handlers that note what they saw.
import type { ExecutionContext } from 'ava'
import { Endpoint, GaiwanError, type ProtocolHandler, Router } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'
import { methods, SpanTea, ALPN as TEA_ALPN, Tea } from '../rpc/tea.js'
import { Peer } from './peer.js'
import type { PeerConnection } from './peer-handles.js'
import { PeerClient, PeerServer, type ServiceName } from './rpc-peer.js'

type Test = ExecutionContext<unknown>

export { SpanTea, TEA_ALPN, Tea }
/** The same methods in span mode. */
export const SPAN_ALPN = 'gaiwan/tea-span/1'

/** `Misbehave` and its like, by what they do. */
export const Trouble = { nothing: 0, one: 1, tooLarge: 2, poison: 3, endless: 4, waits: 5, panics: 6 } as const

/** With a variant that the reference does not have, so that its loop ends. */
export const WrongTea = r.service({ ...methods, Coffee: r.unary(r.unit, r.unit).at(11) })

/** What handlers note, to be waited for. */
export class Notes {
  readonly #lines: string[] = []
  #wake: () => void = () => {}

  add(line: string): void {
    this.#lines.push(line)
    this.#wake()
  }

  /** Waits for the next line that starts so; those before it are dropped. */
  async hears(start: string): Promise<string> {
    for (;;) {
      const at = this.#lines.findIndex((line) => line.startsWith(start))
      if (at >= 0) return this.#lines.splice(0, at + 1).at(-1) as string
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

/** How a loop over updates ended. */
async function read<T>(updates: AsyncIterable<T>, take: (update: T) => void): Promise<string> {
  try {
    for await (const update of updates) take(update)
    return 'end'
  } catch (error) {
    return error instanceof r.RpcError ? error.code : String(error)
  }
}

/** Handlers that do what those in `interop/src/rpc_tea_serve.rs` do. */
export function handlers(notes: Notes): r.Handlers<typeof Tea> {
  const shelf = new Map([['hello', 'world']])
  return {
    Get: ({ key }, { signal, remoteId }) => {
      notes.add(`Get ${key}`)
      if (key === 'who') return remoteId
      if (key === 'throw') throw new Error('the secret of the handler')
      if (key === 'never') {
        return new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => {
            notes.add('Get never aborted')
            reject(signal.reason)
          })
        })
      }
      return key === 'large' ? 'x'.repeat(r.MAX_MESSAGE_BYTES) : shelf.get(key)
    },
    Set: ({ key, value }) => {
      notes.add(`Set ${key} ${value.length}`)
      shelf.set(key, new TextDecoder().decode(value))
    },
    List: () => [
      ['a', 1n],
      ['b', 300n],
      ['c', 2n ** 64n - 1n],
    ],
    SetMany: async (_, updates) => {
      let count = 0n
      const end = await read(updates, ([key, value]) => {
        shelf.set(key, value)
        count++
        notes.add(`Row ${key}`)
      })
      notes.add(`SetMany ${count} ${end}`)
      return count
    },
    async *Sum({ start }, updates, { signal }) {
      signal.addEventListener('abort', () => notes.add('Sum aborted'))
      let total = start
      try {
        for await (const term of updates) {
          total += term
          yield total
        }
        notes.add('Sum end')
      } finally {
        notes.add('Sum left')
      }
    },
    Log: (line) => notes.add(`Log ${line}`),
    Div: ([a, b]) => (b === 0n ? { ok: false, error: 'division by zero' } : { ok: true, value: a / b }),
    Push: async (_, updates) => {
      const bytes: number[] = []
      const end = await read(updates, (byte) => bytes.push(byte))
      notes.add(`Push ${bytes} ${end}`)
    },
    Late: async (_, update) => {
      const text = await update
      notes.add(`Late ${text}`)
      return BigInt(new TextEncoder().encode(text).length)
    },
    async *Misbehave(how, { signal }) {
      if (how === Trouble.one) yield Uint8Array.of(1)
      if (how === Trouble.tooLarge) yield new Uint8Array(r.MAX_MESSAGE_BYTES)
      if (how === Trouble.endless) {
        let sent = 0
        try {
          for (; ; sent++) yield new Uint8Array(65_536)
        } finally {
          notes.add(`Misbehave 4 stopped after ${sent}`)
        }
      }
      if (how === Trouble.waits) {
        notes.add('Misbehave 5 waits')
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        notes.add('Misbehave 5 closed')
      }
      if (how === Trouble.panics) {
        yield Uint8Array.of(1)
        yield Uint8Array.of(2)
        throw new Error('the secret of the generator')
      }
    },
    First: async (_, updates) => {
      for await (const first of updates) return first
      throw new Error('no update came')
    },
  }
}

/** Runs `call`, which must fail here, as a call; how it failed. */
export async function ourFault(t: Test, call: Promise<unknown>): Promise<{ code: string; method: string }> {
  const error = await t.throwsAsync(call, { instanceOf: GaiwanError })
  if (!(error instanceof r.RpcError)) throw new Error(`${error} is not an RpcError`)
  return { code: error.code, method: error.method }
}

/** An endpoint of ours on a free port of 127.0.0.1 that closes with the test. */
export async function bind(t: Test): Promise<Endpoint> {
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0', limits: { handshakeTimeoutMs: 60_000 } })
  t.teardown(() => endpoint.close())
  return endpoint
}

/** The reference serves, and an endpoint of ours has not dialed it yet. */
export async function rustServes(t: Test): Promise<{ server: PeerServer; endpoint: Endpoint }> {
  const peer = await Peer.start(t)
  const [server, endpoint] = await Promise.all([PeerServer.start(peer), bind(t)])
  return { server, endpoint }
}

/** A tea client of ours at the reference. */
export async function callsRust(
  t: Test,
  options: r.ClientOptions = {},
): Promise<{ server: PeerServer; endpoint: Endpoint; tea: r.Client<typeof Tea> }> {
  const { server, endpoint } = await rustServes(t)
  const tea = r.client(Tea, endpoint, server.addr, TEA_ALPN, options)
  t.teardown(() => tea.close())
  return { server, endpoint, tea }
}

export interface Served {
  readonly peer: Peer
  /** Who calls. */
  readonly id: string
  readonly notes: Notes
  readonly errors: unknown[]
  readonly router: Router
  /** Once the shutdown of the plain service has begun: from then on it takes no more. */
  readonly closing: Promise<void>
  /** A connection of the reference to us. */
  readonly connection: PeerConnection
  /** A client of the reference over it. */
  readonly rust: PeerClient
}

/** Says when its shutdown has begun: a Router asks for that by way of native code, so it is not with its own `shutdown()`. */
function heralded(handler: ProtocolHandler): { readonly handler: ProtocolHandler; readonly closing: Promise<void> } {
  let begin = () => {}
  const closing = new Promise<void>((resolve) => {
    begin = resolve
  })
  return {
    closing,
    handler: {
      accept: (connection) => handler.accept(connection),
      shutdown: () => {
        const over = handler.shutdown?.()
        begin()
        return over
      },
    },
  }
}

/** We serve tea, and a Rust client calls it over one connection. */
export async function rustCalls(t: Test, options: r.ServerOptions & { readonly service?: ServiceName } = {}): Promise<Served> {
  const { service = 'tea', ...rest } = options
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind()])
  const notes = new Notes()
  const errors: unknown[] = []
  const server: r.ServerOptions = { onError: (error) => errors.push(error), ...rest }
  const plain = heralded(r.serve(Tea, handlers(notes), server))
  const router = Router.builder(endpoint)
    .accept(TEA_ALPN, plain.handler)
    .accept(SPAN_ALPN, r.serve(SpanTea, handlers(notes), server))
    .spawn()
  t.teardown(() => router.shutdown())
  const connection = await there.connect(endpoint.addr, service === 'span' ? SPAN_ALPN : TEA_ALPN)
  const rust = await PeerClient.over(peer, connection, service)
  return { peer, id: there.id, notes, errors, router, closing: plain.closing, connection, rust }
}
