// Names that keep blobs.
import type { NativeTagRange } from '../native.js'
import { type Bytes, type BytesLike, copy, type Hash, hex, text } from '../wire/bytes.js'
import { isBytes, oneOf, toBytes } from '../wire/check.js'
import { toHash } from './hash.js'
import type { BlobFormat, BlobInfo } from './info.js'
import { formatOf } from './options.js'
import { nothing, type StoreCore } from './store-core.js'

/** A tagged hash survives collection; tagged as `hashSeq`, its children too. */
export interface Tag extends Pick<BlobInfo, 'hash' | 'format'> {
  /** Names are bytes; `nameText` is their UTF-8. */
  readonly name: Bytes
  readonly nameText: string
}
export interface TagRange {
  readonly prefix?: BytesLike
  /** Inclusive. */
  readonly from?: BytesLike
  /** Exclusive. */
  readonly to?: BytesLike
  readonly format?: BlobFormat
}
export interface Tags {
  /** Creates or replaces. */
  set(name: BytesLike, hash: Hash | Uint8Array, format?: BlobFormat): Promise<void>
  /** Under a new name made from the time. */
  create(hash: Hash | Uint8Array, format?: BlobFormat): Promise<Tag>
  get(name: BytesLike): Promise<Tag | null>
  /** In byte order. Bytes or a string are a prefix. */
  list(what?: BytesLike | TagRange): AsyncIterable<Tag>
  /** Atomic, replaces the target. Codes: TAG_NOT_FOUND. */
  rename(from: BytesLike, to: BytesLike): Promise<void>
  /** How many were there; an empty range object deletes all. Bytes or a string are one name. */
  delete(what: BytesLike | TagRange): Promise<number>
  /** What running operations and batches hold. */
  temporary(): Promise<readonly Pick<BlobInfo, 'hash' | 'format'>[]>
}

/** Tags that cross at once. */
const PAGE = 512
const HELD_BYTES = 33

export class StoreTags implements Tags {
  readonly #core: StoreCore

  constructor(core: StoreCore) {
    this.#core = core
  }

  async set(name: BytesLike, hash: Hash | Uint8Array, format?: BlobFormat): Promise<void> {
    const bytes = toBytes(name, 'name')
    const what = toHash(hash, 'hash')
    const hashSeq = formatOf(format) === 'hashSeq'
    return this.#core.call((native, id, store) => native.tagSet(id, store, bytes, what, hashSeq), nothing)
  }

  async create(hash: Hash | Uint8Array, format?: BlobFormat): Promise<Tag> {
    const what = toHash(hash, 'hash')
    const hashSeq = formatOf(format) === 'hashSeq'
    const made = await this.#core.call((native, id, store) => native.tagCreate(id, store, what, hashSeq), unpack)
    return made[0] as Tag
  }

  async get(name: BytesLike): Promise<Tag | null> {
    const exactly = toBytes(name, 'name')
    const found = await this.#core.call((native, id, store) => native.tagList(id, store, { exactly }, null, 1), unpack)
    return found[0] ?? null
  }

  list(what: BytesLike | TagRange = {}): AsyncIterable<Tag> {
    const range = typeof what === 'string' || isBytes(what) ? { prefix: own(what, 'what') } : rangeOf(what)
    return { [Symbol.asyncIterator]: () => tagged(this.#core, range) }
  }

  async rename(from: BytesLike, to: BytesLike): Promise<void> {
    const source = toBytes(from, 'from')
    const target = toBytes(to, 'to')
    return this.#core.call((native, id, store) => native.tagRename(id, store, source, target), nothing)
  }

  async delete(what: BytesLike | TagRange): Promise<number> {
    const range = typeof what === 'string' || isBytes(what) ? { exactly: toBytes(what, 'what') } : rangeOf(what)
    return this.#core.call(
      (native, id, store) => native.tagDelete(id, store, range),
      (count) => count,
    )
  }

  async temporary(): Promise<readonly Pick<BlobInfo, 'hash' | 'format'>[]> {
    return this.#core.call((native, id, store) => native.holds(id, store), heldOf)
  }
}

/** All tags of a range, a page at a time. */
export async function* tagged(core: StoreCore, range: NativeTagRange): AsyncGenerator<Tag, undefined, undefined> {
  let after: Uint8Array | null = null
  for (;;) {
    const last: Uint8Array | null = after
    const page: Tag[] = await core.call((native, id, store) => native.tagList(id, store, range, last, PAGE), unpack)
    yield* page
    if (page.length < PAGE) return
    after = (page.at(-1) as Tag).name
  }
}

function rangeOf(what: TagRange): NativeTagRange {
  if (typeof what !== 'object' || what === null) throw new TypeError('what: expected a name or { prefix, from, to, format }')
  const { prefix, from, to, format } = what
  const range: NativeTagRange = {}
  if (prefix !== undefined) range.prefix = own(prefix, 'what.prefix')
  if (from !== undefined) range.from = own(from, 'what.from')
  if (to !== undefined) range.to = own(to, 'what.to')
  if (format !== undefined) range.hashSeq = oneOf(format, 'what.format', ['raw', 'hashSeq']) === 'hashSeq'
  return range
}

/** A copy: it is used again for every page. */
function own(name: BytesLike, argument: string): Uint8Array {
  return Uint8Array.from(toBytes(name, argument))
}

function format(byte: number): BlobFormat {
  return byte === 0 ? 'raw' : 'hashSeq'
}

/** Records of a length, a format, a hash and a name. */
function unpack(_: number, body: Bytes): Tag[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const tags: Tag[] = []
  for (let at = 0; at < body.length; ) {
    const length = view.getUint32(at, true)
    const start = at + 8 + 32
    const name = copy(body.subarray(start, start + length))
    const hash = hex(body.subarray(at + 8, start))
    tags.push({ name, nameText: text(name), hash, format: format(view.getUint32(at + 4, true)) })
    at = start + ((length + 3) & ~3)
  }
  return tags
}

function heldOf(_: number, body: Bytes): Pick<BlobInfo, 'hash' | 'format'>[] {
  return Array.from({ length: body.length / HELD_BYTES }, (_, n) => {
    const at = n * HELD_BYTES
    return { hash: hex(body.subarray(at, at + 32)), format: format(body[at + 32] as number) }
  })
}
