// Collection of what nothing holds, on demand and by the clock; never two at a time.
import { GaiwanError } from '../errors.js'
import { type Hash, text } from '../wire/bytes.js'
import { packHashes, toHash } from './hash.js'
import type { Settings } from './options.js'
import type { StoreCore } from './store-core.js'

/** What a collection removed. */
export interface Collected {
  readonly deleted: number
  readonly bytes: number
}

export class Collector {
  readonly #core: WeakRef<StoreCore>
  readonly #protect: Settings['protect']
  readonly #timer: NodeJS.Timeout | null
  /** The run under way, and those that wait behind it. */
  #last: Promise<unknown> = Promise.resolve()
  #running = 0

  constructor(core: StoreCore, { gcIntervalMs, protect }: Settings) {
    const weak = new WeakRef(core)
    this.#core = weak
    this.#protect = protect
    this.#timer = gcIntervalMs === null ? null : setInterval(tick, gcIntervalMs).unref()
    // It must not keep the store: one that nobody holds is given up, and the clock stops.
    function tick(this: NodeJS.Timeout): void {
      const core = weak.deref()
      if (core === undefined || core.isClosed) clearInterval(this)
      else core.collector.#auto()
    }
  }

  /** Runs after the ones before it. */
  run(signal: AbortSignal | undefined): Promise<Collected> {
    this.#running++
    const run = this.#last.then(() => this.#collect(signal))
    this.#last = run.then(
      () => this.#running--,
      () => this.#running--,
    )
    return run
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  #auto(): void {
    if (this.#running > 0) return
    this.run(undefined).catch((error: unknown) => {
      // Nobody waits for this run; one that the close cut short has nothing to say.
      if (GaiwanError.is(error, 'STORE_CLOSED')) return
      process.emitWarning(new Error('a collection of a blob store was cancelled', { cause: error }), 'GaiwanWarning')
    })
  }

  async #collect(signal: AbortSignal | undefined): Promise<Collected> {
    const core = this.#core.deref()
    if (core === undefined) return { deleted: 0, bytes: 0 }
    core.check()
    signal?.throwIfAborted()
    const spared = packHashes(await this.#spared())
    return core.call(
      (native, id, store) => native.storeCollect(id, store, spared),
      (_, body) => JSON.parse(text(body)) as Collected,
      signal,
    )
  }

  async #spared(): Promise<Hash[]> {
    const hashes: Hash[] = []
    if (this.#protect === undefined) return hashes
    for await (const hash of this.#protect()) hashes.push(toHash(hash, 'protect'))
    return hashes
  }
}
