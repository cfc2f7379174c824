// Stores, providers and getters on 127.0.0.1, closed when the test ends.
import type { ExecutionContext } from 'ava'
import { ALPN, Blobs, type BlobsOptions, BlobStore } from '../../ts/blobs/index.js'
import { type Endpoint, Router } from '../../ts/index.js'
import { bind } from '../helpers/pair.js'

type Test = ExecutionContext<unknown>

export function memory(t: Test): BlobStore {
  const store = BlobStore.memory()
  t.teardown(() => store.close())
  return store
}

export interface Side {
  readonly endpoint: Endpoint
  readonly store: BlobStore
  readonly blobs: Blobs
}

/** One that serves its store. */
export async function provider(t: Test, options: BlobsOptions = {}, store = memory(t)): Promise<Side> {
  const endpoint = await bind(t)
  const blobs = new Blobs(endpoint, store, options)
  const router = Router.builder(endpoint)
    .accept(options.alpn ?? ALPN, blobs)
    .spawn()
  t.teardown(() => router.shutdown())
  return { endpoint, store, blobs }
}

/** One that asks. */
export async function getter(t: Test, options: BlobsOptions = {}, store = memory(t)): Promise<Side> {
  const endpoint = await bind(t)
  return { endpoint, store, blobs: new Blobs(endpoint, store, options) }
}

/** Byte i is i mod 251, the input of the public BLAKE3 vectors. */
export function pattern251(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, at) => at % 251)
}

/** All pieces in one. */
export async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return new Uint8Array(Buffer.concat(all))
}
