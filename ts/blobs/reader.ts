// A blob with a position.
import { Readable } from 'node:stream'
import { GaiwanError } from '../errors.js'
import type { Bytes, Hash } from '../wire/bytes.js'
import { integer, isBytes } from '../wire/check.js'
import { toHash } from './hash.js'
import type { Loan } from './loan.js'
import { type Opened, openReader, readAt } from './read.js'
import type { StoreCore } from './store-core.js'

/** Bytes that cross at once. */
const PIECE_BYTES = 1024 * 1024
const STREAM_BYTES = 256 * 1024

/** A seekable, verified reader. */
export interface BlobReader extends AsyncDisposable {
  readonly size: number
  position: number
  /** Fills `target` as far as the blob goes; 0 at the end. */
  readInto(target: Uint8Array): Promise<number>
  /** From `position` on, for pipes. */
  stream(): Readable
  close(): Promise<void>
}

export async function reader(core: StoreCore, hash: Hash | Uint8Array): Promise<BlobReader> {
  return new OpenReader(core, await openReader(core, toHash(hash, 'hash'), true))
}

class OpenReader implements BlobReader {
  readonly #core: StoreCore
  readonly #loan: Loan
  readonly size: number
  #position = 0
  /** Reads run one after the other: each begins where the one before it ended. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(core: StoreCore, { loan, size }: Opened) {
    this.#core = core
    this.#loan = loan
    this.size = size
  }

  get position(): number {
    return this.#position
  }

  set position(value: number) {
    this.#position = integer(value, 'position', 0, Number.MAX_SAFE_INTEGER)
  }

  async readInto(target: Uint8Array): Promise<number> {
    if (!isBytes(target)) throw new TypeError('target: expected a Uint8Array')
    if (target.length === 0) throw new RangeError('target: expected room for at least one byte')
    return this.#inTurn(async () => {
      let filled = 0
      while (filled < target.length) {
        const piece = await this.#read(Math.min(target.length - filled, PIECE_BYTES))
        if (piece === null) break
        if (target.length === 0) throw new TypeError('target: its memory was taken away while the read waited')
        target.set(piece, filled)
        filled += piece.length
      }
      return filled
    })
  }

  stream(): Readable {
    const next = () => this.#inTurn(() => this.#read(STREAM_BYTES))
    return new Readable({
      highWaterMark: STREAM_BYTES,
      read() {
        next().then(
          (piece) => this.push(piece),
          (error) => this.destroy(error),
        )
      },
    })
  }

  async close(): Promise<void> {
    this.#loan.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Bytes from the position on, which moves behind them; null at the end. */
  async #read(length: number): Promise<Bytes | null> {
    this.#core.check()
    if (this.#loan.handle === 0) throw new GaiwanError('STORE_CLOSED', 'the reader is closed')
    const start = this.#position
    if (start >= this.size) return null
    const piece = await readAt(this.#core, this.#loan, start, Math.min(start + length, this.size))
    this.#position = start + piece.length
    return piece
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run)
    this.#last = turn.catch(() => {})
    return turn
  }
}
