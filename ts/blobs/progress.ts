// Progress of an import or export, on its way to the user's function.
import type { Sink } from '../endpoint/call.js'
import { type Bytes, text } from '../wire/bytes.js'
import { Operation } from './operation.js'
import type { Attention, FileProgress, ProgressOptions } from './options.js'
import type { StoreCore } from './store-core.js'

/** At most 20 calls a second. */
const INTERVAL_MS = 50

/** What hears of progress: natively as records, and from here. */
export class Progress implements Sink {
  readonly #tell: NonNullable<ProgressOptions['onProgress']>
  readonly #operation: Operation
  #last = Number.NEGATIVE_INFINITY

  constructor(tell: NonNullable<ProgressOptions['onProgress']>, operation: Operation) {
    this.#tell = tell
    this.#operation = operation
  }

  /** Tells it, unless something was told just now. */
  note(progress: FileProgress): void {
    const now = performance.now()
    if (now - this.#last < INTERVAL_MS) return
    this.#last = now
    this.#call(progress)
  }

  /** A record; `end` is 1 for the last. */
  take(end: number, body: Bytes): void {
    const { name, ...rest } = JSON.parse(text(body)) as Omit<FileProgress, 'name'> & { name: string | null }
    const progress = name === null ? rest : { ...rest, name }
    if (end === 1) this.#call(progress)
    else this.note(progress)
  }

  end(): void {}

  #call(progress: FileProgress): void {
    try {
      this.#tell(progress)
    } catch (error) {
      this.#operation.abort(error)
    }
  }
}

/** What an operation with progress works with. */
export interface Attended {
  readonly operation: Operation
  readonly signal: AbortSignal
  readonly progress: Progress | null
  /** The subscription of progress, 0 for none. */
  readonly sub: number
}

/** Runs an operation that can be ended and that tells how it goes. */
export async function attend<T>(core: StoreCore, { signal, onProgress }: Attention, run: (attended: Attended) => Promise<T>): Promise<T> {
  const operation = new Operation(core, signal)
  const progress = onProgress === undefined ? null : new Progress(onProgress, operation)
  const sub = progress === null ? 0 : core.bridge.nextId()
  if (progress !== null) core.bridge.listen(sub, progress)
  try {
    return await run({ operation, signal: operation.signal, progress, sub })
  } finally {
    if (progress !== null) core.bridge.forget(sub)
    operation.end()
  }
}
