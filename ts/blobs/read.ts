// Verified bytes out of the store.
import { constants } from 'node:buffer'
import type { WaitOptions } from '../endpoint/index.js'
import { GaiwanError } from '../errors.js'
import { allocate, type Bytes, type Hash, text } from '../wire/bytes.js'
import { integer, signalOf } from '../wire/check.js'
import { toHash } from './hash.js'
import type { ByteRange } from './info.js'
import { Loan } from './loan.js'
import { range } from './options.js'
import type { StoreCore } from './store-core.js'

/** The first piece of a read; each one after it is twice as long, up to the largest. */
const FIRST_BYTES = 64 * 1024
const LARGEST_BYTES = 1024 * 1024
const DEFAULT_MAX_BYTES = 2 ** 30

/** An open blob. */
export interface Opened {
  readonly loan: Loan
  readonly size: number
}

export function openReader(core: StoreCore, hash: Hash, complete: boolean, signal?: AbortSignal): Promise<Opened> {
  return core.call((native, id, store) => native.blobReader(id, store, hash, complete), openedBy(core), signal)
}

export function readAt(core: StoreCore, loan: Loan, start: number, end: number, signal?: AbortSignal): Promise<Bytes> {
  return core.call(
    (native, id) => native.readerRead(id, loan.handle, start, end),
    (_, body) => body,
    signal,
  )
}

export async function get(
  core: StoreCore,
  hash: Hash | Uint8Array,
  options?: WaitOptions & { readonly maxBytes?: number },
): Promise<Bytes> {
  const what = toHash(hash, 'hash')
  const signal = signalOf(options)
  const max = integer(options?.maxBytes ?? DEFAULT_MAX_BYTES, 'maxBytes', 0, Number.MAX_SAFE_INTEGER)
  const got = await core.call(
    (native, id, store) => native.blobGet(id, store, what, Math.min(max, constants.MAX_LENGTH)),
    (aux, body) => (aux === 0 ? body : openedBy(core)(aux, body)),
    signal,
  )
  if (got instanceof Uint8Array) return got
  try {
    const whole = room(got.size)
    let at = 0
    for await (const piece of pieces(core, got.loan, 0, got.size, signal)) {
      whole.set(piece, at)
      at += piece.length
    }
    return whole
  } finally {
    got.loan.end()
  }
}

export function read(core: StoreCore, hash: Hash | Uint8Array, options?: ByteRange & WaitOptions): AsyncIterable<Bytes> {
  const what = toHash(hash, 'hash')
  const signal = signalOf(options)
  const [start, end] = range(options, 'options')
  return { [Symbol.asyncIterator]: () => readRange(core, what, start, end, signal) }
}

async function* readRange(
  core: StoreCore,
  hash: Hash,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Bytes, undefined, undefined> {
  const { loan, size } = await openReader(core, hash, false, signal)
  try {
    yield* pieces(core, loan, start, end < 0 ? size : Math.min(end, size), signal)
  } finally {
    loan.end()
  }
}

/** The bytes of a reader; while one piece is used the next one is read. */
async function* pieces(
  core: StoreCore,
  loan: Loan,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Bytes, undefined, undefined> {
  let length = FIRST_BYTES
  let at = start
  const next = (): Promise<Bytes> | null => {
    if (at >= end) return null
    // On a multiple of its length, so that no group of the tree is read twice.
    const stop = Math.min(end, at - (at % length) + length)
    const piece = readAt(core, loan, at, stop, signal)
    at = stop
    if (length < LARGEST_BYTES) length *= 2
    // It may be left behind.
    piece.catch(() => {})
    return piece
  }
  for (let ahead = next(); ahead !== null; ) {
    const piece = await ahead
    ahead = next()
    yield piece
    core.check()
    signal?.throwIfAborted()
  }
}

function openedBy(core: StoreCore): (handle: number, body: Bytes) => Opened {
  return (handle, body) => ({ loan: new Loan(core, handle), size: (JSON.parse(text(body)) as { size: number }).size })
}

function room(size: number): Bytes {
  try {
    return allocate(size)
  } catch (cause) {
    throw new GaiwanError('BLOB_TOO_LARGE', `there is no memory for ${size} bytes`, { cause })
  }
}
