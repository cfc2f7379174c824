// What is here of blobs.
import type { NativeBridge } from '../native.js'
import { type Bytes, type Hash, hex, text } from '../wire/bytes.js'
import { toHash } from './hash.js'
import type { Bitfield, BlobListEntry, BlobStatus } from './info.js'
import { Loan } from './loan.js'
import type { StoreCore } from './store-core.js'
import { tagged } from './tags.js'

/** Rows that cross at once. */
const PAGE = 512
const ROW_BYTES = 48

export async function status(core: StoreCore, hash: Hash | Uint8Array): Promise<BlobStatus> {
  const what = toHash(hash, 'hash')
  return core.call((native, id, store) => native.blobStatus(id, store, what), statusOf)
}

export async function has(core: StoreCore, hash: Hash | Uint8Array): Promise<boolean> {
  const { state } = await status(core, hash)
  return state === 'complete'
}

export function observe(core: StoreCore, hash: Hash | Uint8Array): AsyncIterable<Bitfield> {
  const what = toHash(hash, 'hash')
  return { [Symbol.asyncIterator]: () => states(core, what) }
}

/** Every state as it is when somebody asks; those between are skipped. */
function states(core: StoreCore, hash: Hash): AsyncIterator<Bitfield, undefined, undefined> {
  const over = new AbortController()
  let watch: Promise<Loan> | null = null
  let told = false
  const open = () =>
    core.call(
      (native, id, store) => native.blobWatch(id, store, hash),
      (handle) => new Loan(core, handle),
    )
  const end = (): void => {
    if (over.signal.aborted) return
    over.abort()
    watch?.then(
      (loan) => loan.end(),
      () => {},
    )
  }
  return {
    async next() {
      if (over.signal.aborted) return { value: undefined, done: true }
      try {
        watch ??= open()
        const loan = await watch
        const first = !told
        told = true
        const ask = (native: NativeBridge, id: number) => native.watchNext(id, loan.handle)
        const answer = (_: number, body: Bytes) => bitfieldOf(body)
        // A change may never come; the first state does.
        const value = await (first ? core.call(ask, answer, over.signal) : core.wait(ask, answer, over.signal))
        return { value, done: false }
      } catch (error) {
        // Left while it waited.
        if (over.signal.aborted) return { value: undefined, done: true }
        end()
        throw error
      }
    },
    async return() {
      end()
      return { value: undefined, done: true }
    },
  }
}

export async function* list(core: StoreCore): AsyncGenerator<BlobListEntry, undefined, undefined> {
  const lists = new Set<Hash>()
  for await (const { hash } of tagged(core, { hashSeq: true })) lists.add(hash)
  let after: Uint8Array = new Uint8Array(0)
  for (;;) {
    const page = await core.call(
      (native, id, store) => native.blobList(id, store, after, PAGE),
      (_, body) => body,
    )
    if (page.length === 0) return
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength)
    for (let at = 0; at < page.length; at += ROW_BYTES) {
      const hash = hex(page.subarray(at, at + 32))
      const complete = view.getUint32(at + 40, true) !== 0
      yield { hash, size: view.getFloat64(at + 32, true), format: lists.has(hash) ? 'hashSeq' : 'raw', complete }
    }
    after = page.subarray(page.length - ROW_BYTES, page.length - ROW_BYTES + 32)
  }
}

function statusOf(known: number, body: Bytes): BlobStatus {
  if (known === 0) return { state: 'absent' }
  const { size, sizeVerified, isComplete, ranges } = bitfieldOf(body)
  if (isComplete) return { state: 'complete', size }
  return { state: 'partial', size: sizeVerified || size > 0 ? size : null, sizeVerified, ranges }
}

export function bitfieldOf(body: Bytes): Bitfield {
  const { ranges, ...rest } = JSON.parse(text(body)) as Omit<Bitfield, 'ranges'> & { ranges: Array<[number, number]> }
  return { ...rest, ranges: ranges.map(([start, end]) => ({ start, end })) }
}
