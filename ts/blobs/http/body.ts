// The bytes of an answer: out of the store, verified there, and no faster than the client takes them.
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Hash } from '../../wire/bytes.js'
import type { Multipart } from './multipart.js'
import type { GatewayStore } from './options.js'
import type { Span } from './ranges.js'

/** Exactly the bytes of a span; a store that gives more or fewer is an error. */
export async function* bytesOf(store: GatewayStore, hash: Hash, { start, end }: Span, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let left = end - start
  for await (const chunk of store.read(hash, { start, end, signal })) {
    left -= chunk.length
    if (left < 0) break
    yield chunk
  }
  if (left !== 0) throw new Error(`the store gave ${left < 0 ? 'more' : 'fewer'} bytes than it said`)
}

/** The parts of a multipart answer with the text around them. */
export async function* parts(
  spans: readonly Span[],
  { heads, tail }: Multipart,
  read: (span: Span) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array | string> {
  for (const [n, span] of spans.entries()) {
    let head = heads[n]!
    for await (const chunk of read(span)) {
      // Behind the first chunk, so that a blob which cannot be read fails while a status can still say so.
      if (head !== '') yield head
      head = ''
      yield chunk
    }
  }
  yield tail
}

/** The same, once the first piece is there: what fails until then rejects here. */
export async function opened<T>(pieces: AsyncGenerator<T>): Promise<AsyncGenerator<T>> {
  const first = await pieces.next()
  return (async function* () {
    try {
      if (first.done) return
      yield first.value
      yield* pieces
    } finally {
      await pieces.return(undefined)
    }
  })()
}

/** Writes it all and ends; rejects, with the response left open, when a piece fails or the client is gone. */
export async function pump(
  response: ServerResponse,
  pieces: AsyncIterable<Uint8Array | string> | Iterable<string>,
  signal: AbortSignal,
): Promise<void> {
  for await (const piece of pieces) {
    signal.throwIfAborted()
    if (!response.write(piece)) await once(response, 'drain', { signal })
  }
  signal.throwIfAborted()
  response.end()
}
