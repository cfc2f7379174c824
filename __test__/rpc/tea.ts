// The service of the vectors, `service` in vectors/rpc.json, with handlers that do what those of the Rust program do.
import { readFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { type Connection, type Endpoint, Router } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'
import { bind } from '../helpers/pair.js'

export const ALPN = 'gaiwan/tea/1'

export const methods = {
  Get: r
    .unary(r.struct({ key: r.str }), r.option(r.str))
    .at(0)
    .idempotent(),
  Set: r.unary(r.struct({ key: r.str, value: r.bytes }), r.unit),
  List: r.serverStream(r.unit, r.tuple(r.str, r.u64)),
  SetMany: r.clientStream(r.unit, r.tuple(r.str, r.str), r.u64),
  Sum: r.bidiStream(r.struct({ start: r.i64 }), r.i64, r.i64),
  Log: r.notify(r.str),
  Div: r.unary(r.tuple(r.u64, r.u64), r.result(r.u64, r.str)),
  Push: r.notifyStream(r.unit, r.u8),
  Late: r.method(r.unit, { updates: r.one(r.str), answers: r.one(r.u64) }),
  Misbehave: r.serverStream(r.u32, r.bytes),
  First: r.clientStream(r.unit, r.u64, r.u64).at(10),
} as const

export const Tea = r.service(methods)
/** The same in span mode. */
export const SpanTea = r.service(methods, { spans: true })
export type TeaHandlers = r.Handlers<typeof Tea>

/** What handlers write down, and whoever waits for a line. */
export class Journal {
  readonly lines: string[] = []
  #waiting: Array<() => void> = []

  add(line: string): void {
    this.lines.push(line)
    for (const look of this.#waiting.splice(0)) look()
  }

  async until(line: string): Promise<void> {
    while (!this.lines.includes(line)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

/** The handlers of the reference. */
export function teaHandlers(journal = new Journal()): TeaHandlers {
  return {
    Get: ({ key }) => {
      journal.add(`Get ${key}`)
      return key === '' ? undefined : 'world'
    },
    Set: () => {},
    List: () => [
      ['a', 1n],
      ['b', 300n],
      ['c', 2n ** 64n - 1n],
    ],
    async SetMany(_, updates) {
      let count = 0n
      try {
        for await (const _pair of updates) {
          count++
          journal.add(`SetMany has ${count}`)
        }
        journal.add(`SetMany ${count}`)
      } catch (error) {
        journal.add(`SetMany ${count} ${codeOf(error)}`)
      }
      return count
    },
    async *Sum({ start }, updates) {
      let total = start
      try {
        for await (const update of updates) {
          total += update
          yield total
        }
        journal.add('Sum end')
      } catch (error) {
        journal.add(`Sum ${codeOf(error)}`)
      } finally {
        journal.add('Sum over')
      }
    },
    Log: (line) => journal.add(`Log ${line}`),
    Div: ([a, b]) => (b === 0n ? { ok: false, error: 'division by zero' } : { ok: true, value: a / b }),
    async Push(_, updates) {
      const pushed: number[] = []
      for await (const update of updates) pushed.push(update)
      journal.add(`Push ${pushed}`)
    },
    async Late(_, update) {
      try {
        return BigInt((await update).length)
      } catch (error) {
        journal.add(`Late ${codeOf(error)}`)
        return 0n
      }
    },
    async *Misbehave(how, { signal }) {
      if (how === 1) yield Uint8Array.of(1)
      if (how === 2) yield new Uint8Array(r.MAX_MESSAGE_BYTES + 1)
      if (how === 3) yield 'not bytes' as unknown as Uint8Array
      if (how === 4) for (;;) yield new Uint8Array(64 * 1024)
      if (how === 5) {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        journal.add('closed() resolved')
      }
    },
    async First(_, updates) {
      for await (const update of updates) return update
      return 0n
    },
  }
}

/** The RpcError that a call rejects with. */
export async function failure(call: Promise<unknown>): Promise<r.RpcError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (error instanceof r.RpcError) return error
  throw new Error('not an RpcError', { cause: error })
}

export const codeOf = (error: unknown) => (error as { code?: unknown })?.code

export interface Served {
  readonly router: Router
  readonly server: Endpoint
  readonly dialer: Endpoint
  readonly journal: Journal
}

/** A server of `Tea` on loopback and an endpoint that can dial it. */
export async function serveTea(
  t: ExecutionContext<unknown>,
  change: (handlers: TeaHandlers, journal: Journal) => TeaHandlers = (handlers) => handlers,
  options: r.ServerOptions = {},
): Promise<Served> {
  const journal = new Journal()
  return { journal, ...(await serveOf(t, Tea, change(teaHandlers(journal), journal), { onError: () => {}, ...options })) }
}

/** A server of any service. */
export async function serveOf<S extends r.Service>(
  t: ExecutionContext<unknown>,
  service: S,
  handlers: r.Handlers<S> | ((connection: Connection) => r.Handlers<S> | Promise<r.Handlers<S>>),
  options?: r.ServerOptions,
): Promise<{ router: Router; server: Endpoint; dialer: Endpoint }> {
  const server = await bind(t)
  const dialer = await bind(t)
  const router = Router.builder(server)
    .accept(ALPN, r.serve(service, handlers, options))
    .spawn()
  t.teardown(() => router.shutdown())
  return { router, server, dialer }
}

/** A client of `Tea` for a server. */
export function teaClient({ dialer, server }: Pick<Served, 'dialer' | 'server'>, options?: r.ClientOptions): r.Client<typeof Tea> {
  return r.client(Tea, dialer, server.addr, ALPN, options)
}

export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
export const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

export const vectors = JSON.parse(readFileSync(new URL('../../vectors/rpc.json', import.meta.url), 'utf8')) as {
  client: Row[]
  server: Row[]
  span: Array<{ name: string; frame: string; decoded: string }>
}
export interface Row {
  readonly name: string
  readonly call?: string
  readonly clientBytes: string
  readonly clientEnd: string
  readonly clientStopsResponse: string
  readonly serverBytes: string
  readonly serverEnd: string
  readonly serverStopsRequest: string
  readonly outcome: string
}
