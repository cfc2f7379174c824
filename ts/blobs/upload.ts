// Bytes that come in pieces, into the store: joined to larger ones, and no faster than the disk takes them.
import type { NativeAddOptions } from '../native.js'
import { allocate, text } from '../wire/bytes.js'
import { isBytes } from '../wire/check.js'
import type { BlobInfo } from './info.js'
import { Loan } from './loan.js'
import type { Attended } from './progress.js'
import { nothing, type StoreCore } from './store-core.js'

/** Bytes that cross at once. */
export const PIECE_BYTES = 1024 * 1024

/** Takes bytes and hands them over in pieces of one size; the native side copies each, so there is one buffer. */
export class Joiner {
  readonly #send: (piece: Uint8Array) => Promise<void>
  readonly #buffer = allocate(PIECE_BYTES)
  #used = 0
  #sending: Promise<void> = Promise.resolve()

  /** @param send copies the piece before it returns; called again when its promise has settled */
  constructor(send: (piece: Uint8Array) => Promise<void>) {
    this.#send = send
  }

  /** Null, or a promise if there is something to wait for. */
  write(bytes: Uint8Array): Promise<void> | null {
    if (this.#used + bytes.length < PIECE_BYTES) {
      this.#buffer.set(bytes, this.#used)
      this.#used += bytes.length
      return null
    }
    return this.#write(bytes)
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + PIECE_BYTES - this.#used)
      at += part.length
      if (part.length === PIECE_BYTES) {
        await this.#hand(part)
        continue
      }
      this.#buffer.set(part, this.#used)
      this.#used += part.length
      if (this.#used === PIECE_BYTES) await this.flush()
    }
  }

  /** Hands over what is left, and waits until it was taken. */
  async flush(): Promise<void> {
    if (this.#used > 0) {
      const { length } = this.#buffer
      const piece = this.#used === length ? this.#buffer : this.#buffer.subarray(0, this.#used)
      await this.#hand(piece)
      this.#used = 0
    }
  }

  /** All was taken. */
  async end(): Promise<void> {
    await this.flush()
    await this.#sending
  }

  async #hand(piece: Uint8Array): Promise<void> {
    await this.#sending
    this.#sending = this.#send(piece)
    // It is looked at before the next one.
    this.#sending.catch(() => {})
  }
}

/** Adds all that `pieces` gives. */
export async function upload(
  core: StoreCore,
  pieces: AsyncIterator<unknown>,
  totalBytes: number | null,
  options: NativeAddOptions,
  { operation, signal, progress }: Attended,
): Promise<Omit<BlobInfo, 'format'>> {
  const loan = await core.call(
    (native, id, store) => native.uploadBegin(id, store),
    (handle) => new Loan(core, handle),
    signal,
  )
  try {
    const joiner = new Joiner((piece) => core.call((native, id) => native.uploadPush(id, loan.handle, piece), nothing, signal))
    let bytes = 0
    for (;;) {
      const { value, done } = await operation.race(pieces.next())
      if (done) break
      if (!isBytes(value)) throw new TypeError('data: expected its pieces to be Uint8Array')
      await joiner.write(value)
      bytes += value.length
      progress?.note({ phase: 'copy', bytes, totalBytes })
    }
    await joiner.end()
    return await core.call(
      (native, id, store) => native.uploadFinish(id, store, loan.handle, options),
      (_, body) => JSON.parse(text(body)) as Omit<BlobInfo, 'format'>,
      signal,
    )
  } finally {
    loan.end()
  }
}
