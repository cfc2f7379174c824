// Verified streams, as a provider sends them.
import type { WaitOptions } from '../endpoint/index.js'
import { type Bytes, type Hash, text } from '../wire/bytes.js'
import { isBytes, signalOf } from '../wire/check.js'
import { toHash } from './hash.js'
import type { BlobInfo, ByteRange } from './info.js'
import { Loan } from './loan.js'
import { ranges } from './options.js'
import { attend } from './progress.js'
import { leave } from './source.js'
import { nothing, type StoreCore } from './store-core.js'
import { Joiner } from './upload.js'

export interface BaoOptions extends WaitOptions {
  /** [all] */
  readonly ranges?: readonly ByteRange[]
}

export async function importBao(
  core: StoreCore,
  hash: Hash | Uint8Array,
  stream: AsyncIterable<Uint8Array>,
  options?: BaoOptions,
): Promise<BlobInfo> {
  const what = toHash(hash, 'hash')
  const signal = signalOf(options)
  const spans = ranges(options?.ranges, 'ranges')
  if (typeof stream !== 'object' || stream === null || !(Symbol.asyncIterator in stream)) {
    throw new TypeError('stream: expected an async iterable of Uint8Array')
  }
  const pieces: AsyncIterator<unknown> = stream[Symbol.asyncIterator]()
  try {
    return await attend(core, { signal, onProgress: undefined }, async ({ operation, signal }) => {
      const loan = await core.call(
        (native, id, store) => native.baoImport(id, store, what, spans),
        (handle) => new Loan(core, handle),
        signal,
      )
      try {
        const joiner = new Joiner((piece) => core.call((native, id) => native.baoPush(id, loan.handle, piece), nothing, signal))
        for (;;) {
          const { value, done } = await operation.race(pieces.next())
          if (done) break
          if (!isBytes(value)) throw new TypeError('stream: expected its pieces to be Uint8Array')
          await joiner.write(value)
        }
        await joiner.end()
        const size = await core.call((native, id) => native.baoFinish(id, loan.handle), sizeOf, signal)
        return { hash: what, size, format: 'raw' }
      } finally {
        loan.end()
      }
    })
  } catch (error) {
    leave(pieces)
    throw error
  }
}

export function exportBao(core: StoreCore, hash: Hash | Uint8Array, options?: BaoOptions): AsyncIterable<Bytes> {
  const what = toHash(hash, 'hash')
  const signal = signalOf(options)
  const spans = ranges(options?.ranges, 'ranges')
  return { [Symbol.asyncIterator]: () => encode(core, what, spans, signal) }
}

async function* encode(
  core: StoreCore,
  hash: Hash,
  spans: number[] | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<Bytes, undefined, undefined> {
  const loan = await core.call(
    (native, id, store) => native.baoExport(id, store, hash, spans),
    (handle) => new Loan(core, handle),
    signal,
  )
  try {
    for (;;) {
      const piece = await core.call(
        (native, id) => native.baoNext(id, loan.handle),
        (more, body) => (more === 0 ? null : body),
        signal,
      )
      if (piece === null) return
      yield piece
    }
  } finally {
    loan.end()
  }
}

function sizeOf(_: number, body: Bytes): number {
  return (JSON.parse(text(body)) as { size: number }).size
}
