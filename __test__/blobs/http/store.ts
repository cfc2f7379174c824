// A store in memory that answers what a gateway asks, and can be told to fail. Its hash is SHA-256: nothing here looks into hashes.
import { createHash } from 'node:crypto'
import type { CollectionEntry } from '../../../ts/blobs/index.js'
import type { GatewayStore } from '../../../ts/blobs/http/index.js'
import { GaiwanError } from '../../../ts/index.js'

type Asked = Parameters<GatewayStore['read']>[1]

/** A blob of `size` bytes, made when it is read. */
interface Content {
  readonly size: number
  slice(start: number, end: number): Uint8Array<ArrayBuffer>
}

const CHUNK_BYTES = 16_384

export class MemoryStore implements GatewayStore {
  readonly #blobs = new Map<string, Content>()
  readonly #collections = new Map<string, CollectionEntry[]>()
  /** Throws this where the store is asked for it. */
  readonly broken = new Map<string, Error>()
  /** Offset of the chunk of a blob that is corrupt. */
  readonly corrupt = new Map<string, number>()
  /** Gives so many bytes fewer than it should, or more. */
  readonly lies = new Map<string, number>()
  /** Blobs of which only a part is here. */
  readonly partial = new Set<string>()
  /** Every read so far. */
  readonly reads: Array<{ readonly hash: string; readonly start: number; readonly end: number; given: number; over: boolean }> = []
  collectionsRead = 0

  add(data: Uint8Array | string): string {
    const bytes = new Uint8Array(Buffer.from(data))
    const hash = createHash('sha256').update(bytes).digest('hex')
    this.#blobs.set(hash, {
      size: bytes.length,
      slice: (start, end) => {
        const slice = new Uint8Array(end - start)
        slice.set(bytes.subarray(start, end))
        return slice
      },
    })
    return hash
  }

  /** A blob too large to be held. */
  addVirtual(size: number): string {
    const hash = createHash('sha256').update(`virtual ${size}`).digest('hex')
    this.#blobs.set(hash, { size, slice: (start, end) => new Uint8Array(end - start) })
    return hash
  }

  addCollection(files: Readonly<Record<string, Uint8Array | string>>): string {
    const entries = Object.entries(files).map(([name, data]) => ({
      name,
      hash: this.add(data),
      size: Buffer.byteLength(Buffer.from(data)),
    }))
    const sequence = Buffer.concat([Buffer.alloc(32, JSON.stringify(files).length), ...entries.map(({ hash }) => Buffer.from(hash, 'hex'))])
    const hash = this.add(sequence)
    this.#collections.set(hash, entries)
    return hash
  }

  remove(hash: string): void {
    this.#blobs.delete(hash)
  }

  async status(hash: string) {
    const broken = this.broken.get(hash)
    if (broken) throw broken
    const blob = this.#blobs.get(hash)
    if (blob === undefined) return { state: 'absent' } as const
    if (this.partial.has(hash)) return { state: 'partial', size: blob.size, sizeVerified: false, ranges: [] } as const
    return { state: 'complete', size: blob.size } as const
  }

  async collection(hash: string): Promise<CollectionEntry[]> {
    this.collectionsRead++
    const entries = this.#collections.get(hash)
    if (entries === undefined) throw new GaiwanError('COLLECTION_INVALID', 'the first hash is no list of names')
    return entries
  }

  async *read(hash: string, { start = 0, end = Number.MAX_SAFE_INTEGER, signal }: Asked = {}): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const blob = this.#blobs.get(hash)
    const read = { hash, start, end, given: 0, over: false }
    this.reads.push(read)
    try {
      if (blob === undefined) throw new GaiwanError('BLOB_NOT_FOUND', 'no such blob')
      const stop = Math.min(end, blob.size) + (this.lies.get(hash) ?? 0)
      for (let at = start; at < stop; ) {
        await new Promise(setImmediate)
        signal?.throwIfAborted()
        if (at >= (this.corrupt.get(hash) ?? Infinity)) throw new GaiwanError('BLOB_CORRUPT', `bytes at ${at} do not match their hash`)
        const next = Math.min(stop, at + CHUNK_BYTES)
        read.given += next - at
        yield blob.slice(at, next)
        at = next
      }
    } finally {
      read.over = true
    }
  }
}
