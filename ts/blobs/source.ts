// What can be added, as one kind of iterator.
import type { ReadableStream } from 'node:stream/web'
import type { BytesLike } from '../wire/bytes.js'
import { isBytes, toBytes } from '../wire/check.js'

/** What `add` takes. */
export type Addable = BytesLike | AsyncIterable<Uint8Array> | ReadableStream<Uint8Array> | Blob

/** Bytes in memory, or something that gives them. */
export type Source = { readonly bytes: Uint8Array } | { readonly pieces: AsyncIterator<unknown>; readonly totalBytes: number | null }

const FORM = 'expected a Uint8Array, a string, an async iterable of Uint8Array, a ReadableStream or a Blob'

export function sourceOf(data: Addable, name: string): Source {
  if (typeof data === 'string' || isBytes(data)) return { bytes: toBytes(data, name) }
  if (typeof data !== 'object' || data === null) throw new TypeError(`${name}: ${FORM}`)
  if (data instanceof Blob) return { pieces: iteratorOf(data.stream() as ReadableStream), totalBytes: data.size }
  if (Symbol.asyncIterator in data && typeof data[Symbol.asyncIterator] === 'function')
    return { pieces: iteratorOf(data), totalBytes: null }
  throw new TypeError(`${name}: ${FORM}`)
}

function iteratorOf(data: AsyncIterable<unknown>): AsyncIterator<unknown> {
  return data[Symbol.asyncIterator]()
}

/** Tells the source that no more is wanted; what it says to that does not matter. */
export function leave(pieces: AsyncIterator<unknown>): void {
  try {
    pieces.return?.()?.then(undefined, () => {})
  } catch {
    // It was asked.
  }
}
