// A download: dials providers, gives them to the native half, and tells how it goes.
import type { Sink } from '../endpoint/call.js'
import { type Connection, connectionCore } from '../endpoint/connection.js'
import type { Dialable } from '../endpoint/addr.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { EndpointCore } from '../endpoint/endpoint-core.js'
import type { EndpointId } from '../endpoint/key.js'
import { Lease } from '../endpoint/lease.js'
import { fromNative, GaiwanError } from '../errors.js'
import type { NativeDownloadOptions } from '../native.js'
import { type Bytes, type Hash, text } from '../wire/bytes.js'
import type { DownloadProgress, DownloadResult } from './transfer.js'
import type { TransferStats } from './provider.js'
import type { StoreCore } from './store-core.js'

/** How often a provider that was lost is dialed again without a byte from it, and how long to wait before the first time; it doubles. */
const REDIALS = 3
const BACK_OFF_MS = 250
/** A provider that has not answered after this time has the next one dialed beside it. */
const PATIENCE_MS = 2_000
/** Providers that are dialed or asked at once, where they share a download. */
const AT_ONCE = 8
/** What a new dial may heal. */
const PASSING = ['CONNECTION_LOST', 'CONNECTION_CLOSED', 'TIMEOUT', 'PROVIDER_BUSY'] as const
/** What it may heal of one that was there before: it may be starting again. */
const RETURNING = [...PASSING, 'CONNECTION_REFUSED', 'HANDSHAKE_TIMEOUT'] as const

/** A provider by what is known of it. */
export interface Source {
  readonly to: Dialable
  readonly id: EndpointId
}

export interface DownloadPlan {
  readonly hash: Hash
  readonly hashBytes: Uint8Array
  readonly isSeq: boolean
  readonly sources: AsyncIterator<Source, unknown> | Iterator<Source, unknown>
  readonly alpn: string
  readonly native: NativeDownloadOptions
  readonly signal: AbortSignal | undefined
}

type Happened =
  | { readonly type: 'progress'; readonly bytes: number; readonly totalBytes: number | null }
  | { readonly type: 'size'; readonly index: number; readonly hash: Hash; readonly size: number }
  | { readonly type: 'blobDone'; readonly index: number; readonly hash: Hash }
  | { readonly type: 'providerFailed'; readonly provider: number; readonly moved: boolean; readonly error: string }
  | { readonly type: 'starved'; readonly seen: number }

/**
 * Started when made; resumes what the store holds. Await it, iterate it, or both: `for await` throws what `await` rejects
 * with; leaving the loop early cancels.
 */
export interface Download extends PromiseLike<DownloadResult>, AsyncIterable<DownloadProgress> {
  /** Keeps what was verified. */
  cancel(): void
}

/** One provider while it is of use. */
interface Partner {
  readonly source: Source
  readonly connection: Connection
  readonly tries: number
}

export class Downloading implements Download, Sink {
  readonly #endpoint: Endpoint
  readonly #core: EndpointCore
  readonly #plan: DownloadPlan
  readonly #abort = new AbortController()
  readonly #lease: Lease
  readonly #sub: number
  readonly #partners = new Map<number, Partner>()
  /** Who was connected once. */
  readonly #met = new Set<EndpointId>()
  readonly #errors: GaiwanError[] = []
  readonly #events: DownloadProgress[] = []
  readonly #result: Promise<DownloadResult>
  #heard = false
  #wake: (() => void) | null = null
  #numbers = 0
  /** Dials and waits under way, and how many of them take long. */
  #busy = 0
  #late = 0
  #exhausted = false
  /** Whoever is there can do nothing of what is left. */
  #starved = true
  #over = false

  constructor(endpoint: Endpoint, core: EndpointCore, store: StoreCore, plan: DownloadPlan) {
    this.#endpoint = endpoint
    this.#core = core
    this.#plan = plan
    const { bridge } = core
    plan.signal?.addEventListener('abort', this)
    this.#sub = bridge.nextId()
    bridge.listen(this.#sub, this)
    let handle = 0
    const run = bridge.call(
      (native, id) => {
        handle = native.blobsDownload(id, this.#sub, store.lease.handle, plan.hashBytes, plan.isSeq, plan.native)
      },
      (_, body) => this.#resultOf(body),
      { signal: this.#abort.signal, group: store.pending, keep: this },
    )
    this.#lease = new Lease(handle)
    this.#result = this.#finish(run)
    // Who only iterates hears it there.
    this.#result.catch(() => {})
    if (plan.signal?.aborted) this.#abort.abort(plan.signal.reason)
    else this.#more()
  }

  // biome-ignore lint/suspicious/noThenProperty: a download can be awaited
  then<T = DownloadResult, E = never>(
    fulfilled?: ((value: DownloadResult) => T | PromiseLike<T>) | null,
    rejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<T | E> {
    return this.#result.then(fulfilled, rejected)
  }

  cancel(): void {
    this.#abort.abort(new DOMException('the download was cancelled', 'AbortError'))
  }

  [Symbol.asyncIterator](): AsyncIterator<DownloadProgress, undefined, undefined> {
    this.#heard = true
    return {
      next: async () => {
        for (;;) {
          const value = this.#events.shift()
          if (value !== undefined) return { value, done: false }
          if (this.#over) {
            await this.#result
            return { value: undefined, done: true }
          }
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
      },
      return: () => {
        this.cancel()
        return Promise.resolve({ value: undefined, done: true })
      },
    }
  }

  /** The user's signal. */
  handleEvent(): void {
    this.#abort.abort(this.#plan.signal?.reason)
  }

  /** A record of the native half. */
  take(_: number, body: Bytes): void {
    const event = JSON.parse(text(body)) as Happened
    if (event.type === 'providerFailed') this.#failed(event.provider, event.moved, fromNative(event.error))
    else if (event.type === 'starved') {
      // One that was given meanwhile may feed it.
      if (event.seen < this.#numbers) return
      this.#starved = true
      this.#more()
    } else this.#tell(event)
  }

  end(): void {}

  #tell(event: DownloadProgress): void {
    if (!this.#heard) return
    // Of progress that nobody has read the newest counts.
    const last = this.#events.at(-1)
    if (event.type === 'progress' && last?.type === 'progress') this.#events.pop()
    this.#events.push(event)
    this.#wake?.()
  }

  #resultOf(body: Bytes): DownloadResult {
    const { hash, isSeq } = this.#plan
    const done = JSON.parse(text(body)) as { size: number; localBytes: number; stats: TransferStats }
    return { hash, format: isSeq ? 'hashSeq' : 'raw', ...done }
  }

  async #finish(run: Promise<DownloadResult>): Promise<DownloadResult> {
    try {
      const result = await run
      this.#tell({ type: 'done', result })
      return result
    } catch (error) {
      throw this.#reason(error)
    } finally {
      this.#over = true
      this.#abort.abort()
      this.#plan.signal?.removeEventListener('abort', this)
      this.#core.bridge.forget(this.#sub)
      this.#core.bridge.release(this.#lease)
      for (const { connection } of this.#partners.values()) connection.close()
      this.#wake?.()
    }
  }

  /** With several providers, one error that has those of all as its cause. */
  #reason(error: unknown): unknown {
    if (!GaiwanError.is(error)) return error
    if (error.code === 'NO_PROVIDER' && this.#errors.length === 1) return this.#errors[0]
    if (this.#errors.length < 2 || !this.#errors.some(({ code }) => code === error.code)) {
      if (error.code !== 'NO_PROVIDER' || this.#errors.length === 0) return error
    }
    const cause = new AggregateError(this.#errors, 'every provider failed')
    return new GaiwanError('NO_PROVIDER', `none of ${this.#errors.length} providers could serve it`, { cause })
  }

  /** Brings in more providers, or tells the native half that none come any more. */
  #more(): void {
    if (this.#over) return
    const most = this.#plan.native.split ? AT_ONCE : this.#starved ? this.#partners.size + 1 + this.#late : 1
    while (!this.#exhausted && this.#partners.size + this.#busy < most) {
      this.#busy++
      void this.#bring()
    }
    const idle = this.#partners.size === 0 || this.#starved
    if (this.#exhausted && this.#busy === 0 && idle) this.#core.bridge.release(this.#lease)
  }

  /** Dials the next provider. Never rejects. */
  async #bring(): Promise<void> {
    let late = 0
    const timer = setTimeout(() => {
      late = 1
      this.#late++
      this.#more()
    }, PATIENCE_MS)
    try {
      const next = await this.#plan.sources.next()
      if (next.done) this.#exhausted = true
      else await this.#dial(next.value, 0)
    } catch (error) {
      // The user's own list failed.
      this.#exhausted = true
      if (this.#errors.length === 0 && this.#partners.size === 0) this.#abort.abort(error)
    } finally {
      clearTimeout(timer)
      this.#late -= late
      this.#busy--
      this.#more()
    }
  }

  async #dial(source: Source, tries: number): Promise<void> {
    this.#tell({ type: 'connecting', provider: source.id })
    try {
      const connection = await this.#endpoint.connect(source.to, this.#plan.alpn, { signal: this.#abort.signal })
      if (this.#over || this.#lease.handle === 0) {
        connection.close()
        return
      }
      this.#tell({ type: 'connected', provider: source.id })
      this.#met.add(source.id)
      const number = this.#numbers++
      this.#partners.set(number, { source, connection, tries })
      this.#starved = false
      this.#core.bridge.direct.blobsDownloadFrom(this.#lease.handle, number, connectionCore(connection, 'connection').handle)
    } catch (error) {
      if (!GaiwanError.is(error) || this.#over) return
      await this.#again(source, tries, error)
    }
  }

  /** A provider is of no more use as it is. One that has sent something is worth as many dials as before. */
  #failed(number: number, moved: boolean, error: GaiwanError): void {
    const partner = this.#partners.get(number)
    if (partner === undefined) return
    this.#partners.delete(number)
    partner.connection.close()
    this.#busy++
    void this.#again(partner.source, moved ? 0 : partner.tries, error).finally(() => {
      this.#busy--
      this.#more()
    })
  }

  /** Dials again what may have been a passing trouble, after a while. */
  async #again(source: Source, tries: number, error: GaiwanError): Promise<void> {
    const passing = GaiwanError.is(error, ...(this.#met.has(source.id) ? RETURNING : PASSING))
    if (!passing || tries >= REDIALS) {
      this.#errors.push(error)
      this.#tell({ type: 'providerFailed', provider: source.id, error })
      return
    }
    await pause(BACK_OFF_MS * 2 ** tries * (0.75 + Math.random() / 2), this.#abort.signal)
    if (!this.#over && !this.#abort.signal.aborted) await this.#dial(source, tries + 1)
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}
