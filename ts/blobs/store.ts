// Blobs in memory or in a directory, as users hold them.
import { resolve } from 'node:path'
import type { WaitOptions } from '../endpoint/index.js'
import type { Bytes, BytesLike, Hash } from '../wire/bytes.js'
import { isBytes, list as array, signalOf, string, toBytes } from '../wire/check.js'
import { add, addFile, type Target } from './add.js'
import { type BaoOptions, exportBao, importBao } from './bao.js'
import { type Batch, StoreBatch } from './batch.js'
import type { Collected } from './collect.js'
import { collection, createCollection } from './collection.js'
import { addDirectory } from './directory.js'
import { exportBlob, exportCollection } from './export.js'
import { packHashes, toHash } from './hash.js'
import { importStore, type StoreImport, type StoreImportOptions } from './import.js'
import type { Bitfield, BlobInfo, BlobListEntry, BlobStatus, ByteRange, CollectionEntry, CollectionInfo } from './info.js'
import {
  type AddDirectoryOptions,
  type AddFileOptions,
  type AddOptions,
  type ExportOptions,
  type MemoryOptions,
  type StoreOptions,
  settings,
} from './options.js'
import { get, read } from './read.js'
import { type BlobReader, reader } from './reader.js'
import type { Addable } from './source.js'
import { has, list, observe, status } from './status.js'
import { nothing, StoreCore } from './store-core.js'
import { StoreTags, type Tags } from './tags.js'
import { type VerifyEvent, type VerifyOptions, verify } from './verify.js'

let unwrap: (store: BlobStore) => StoreCore

/**
 * Blobs in memory or in a directory. Nothing unverified is ever stored or returned. An open store does not keep the process
 * alive, what runs on it does.
 *
 * @example
 * ```ts
 * await using store = await BlobStore.open('./blobs')
 * const { hash } = await store.add('some tea')
 * for await (const chunk of store.read(hash)) process.stdout.write(chunk)
 * ```
 */
export class BlobStore implements AsyncDisposable {
  readonly #core: StoreCore
  readonly #target: Target
  readonly tags: Tags

  static {
    unwrap = (store) => store.#core
  }

  private constructor(core: StoreCore) {
    if (!(core instanceof StoreCore)) throw new TypeError('BlobStore: use BlobStore.open(), memory() or fixed()')
    this.#core = core
    this.#target = { core, batch: 0 }
    this.tags = new StoreTags(core)
  }

  static memory(options?: MemoryOptions): BlobStore {
    return new BlobStore(StoreCore.memory(settings(options)))
  }

  /** Fixed content, for static servers: what changes it is NOT_ALLOWED. The contents are copied. */
  static fixed(contents: Iterable<BytesLike>): BlobStore {
    const wrong = typeof contents !== 'object' || contents === null || isBytes(contents) || !(Symbol.iterator in contents)
    if (wrong) throw new TypeError('contents: expected an iterable of Uint8Array or string')
    const bytes = Array.from(contents, (one, n) => toBytes(one, `contents[${n}]`))
    return new BlobStore(StoreCore.fixed(bytes, settings({})))
  }

  /** One owner a directory, which is made if it is not there. Codes: STORE_LOCKED, STORE_FAILED. */
  static async open(directory: string, options?: StoreOptions): Promise<BlobStore> {
    const path = resolve(string(directory, 'directory'))
    return new BlobStore(await StoreCore.open(path, settings(options)))
  }

  /** Large bytes must not change until it is done. Codes of all below: STORE_CLOSED, STORE_FAILED; of what adds: STORE_FULL. */
  add(data: Addable, options?: AddOptions): Promise<BlobInfo> {
    return add(this.#target, data, options)
  }

  addFile(path: string, options?: AddFileOptions): Promise<BlobInfo> {
    return addFile(this.#target, path, options)
  }

  /**
   * A collection; names are '/'-separated paths relative to `path`, sorted. The store's own directory is left out.
   * Codes: UNSAFE_NAME for a name that is no UTF-8, or could be written nowhere else.
   */
  addDirectory(path: string, options?: AddDirectoryOptions): Promise<CollectionInfo> {
    return addDirectory(this.#target, path, options)
  }

  /** The whole blob. Codes: BLOB_NOT_FOUND, BLOB_INCOMPLETE, BLOB_CORRUPT, BLOB_TOO_LARGE above `maxBytes` [1 GiB]. */
  get(hash: Hash | Uint8Array, options?: WaitOptions & { readonly maxBytes?: number }): Promise<Bytes> {
    return get(this.#core, hash, options)
  }

  /** Verified as it is read; of a partial blob what is here. Codes as `get`. */
  read(hash: Hash | Uint8Array, options?: ByteRange & WaitOptions): AsyncIterable<Bytes> {
    return read(this.#core, hash, options)
  }

  /** A reader with a position. Codes as `get`. */
  reader(hash: Hash | Uint8Array): Promise<BlobReader> {
    return reader(this.#core, hash)
  }

  /** To a temporary name, then renamed. Codes: TARGET_EXISTS, those of `get`. */
  export(hash: Hash | Uint8Array, path: string, options?: ExportOptions): Promise<void> {
    return exportBlob(this.#core, hash, path, options)
  }

  /**
   * Checks all names, contents and targets before it writes, and follows no link below `directory`; the paths written.
   * What fails later leaves whole files. Codes: UNSAFE_NAME, COLLECTION_INVALID, those of `export`.
   */
  exportCollection(hash: Hash | Uint8Array, directory: string, options?: ExportOptions): Promise<string[]> {
    return exportCollection(this.#core, hash, directory, options)
  }

  /** Whether it is complete. */
  has(hash: Hash | Uint8Array): Promise<boolean> {
    return has(this.#core, hash)
  }

  status(hash: Hash | Uint8Array): Promise<BlobStatus> {
    return status(this.#core, hash)
  }

  /** The local bitfield, at once and after each change; changes in quick succession come as one. */
  observe(hash: Hash | Uint8Array): AsyncIterable<Bitfield> {
    return observe(this.#core, hash)
  }

  /** All, partial ones too, in order of their hashes. */
  list(): AsyncIterable<BlobListEntry> {
    return { [Symbol.asyncIterator]: () => list(this.#core) }
  }

  /** Codes: BLOB_PROTECTED, then none was deleted. Absent ones are no error. */
  async delete(hashes: readonly (Hash | Uint8Array)[]): Promise<void> {
    const packed = packHashes(array(hashes, 'hashes').map((hash, n) => toHash(hash, `hashes[${n}]`)))
    return this.#core.call((native, id, store) => native.blobDelete(id, store, packed), nothing)
  }

  /** Needs the list and the names alone: the size of what is not here yet is 0. Codes: COLLECTION_INVALID, those of `get`. */
  collection(hash: Hash | Uint8Array): Promise<CollectionEntry[]> {
    return collection(this.#core, hash)
  }

  /** Its format is always 'hashSeq'. Codes: COLLECTION_INVALID for names beyond the limits of the format. */
  createCollection(
    entries: Iterable<{ readonly name: string; readonly hash: Hash | Uint8Array }>,
    options?: AddOptions,
  ): Promise<BlobInfo> {
    return createCollection(this.#target, entries, options)
  }

  /** Holds what is added inside until disposed. */
  batch(): Batch {
    return new StoreBatch(this.#core)
  }

  /** Removes what no tag and no running operation holds. */
  async gc(options?: WaitOptions): Promise<Collected> {
    return this.#core.collector.run(signalOf(options))
  }

  /** Re-hashes; `repair` makes bad complete blobs partial [false]. */
  verify(options?: VerifyOptions): AsyncIterable<VerifyEvent> {
    return verify(this.#core, options)
  }

  /**
   * Advanced: verified size and leaves, as they come from a provider. Groups of 16 KiB that come in part are checked and not kept.
   * Codes: HASH_MISMATCH, PROTOCOL_VIOLATION for bytes after the end, BLOB_INCOMPLETE for a stream that ends before it.
   */
  importBao(hash: Hash | Uint8Array, stream: AsyncIterable<Uint8Array>, options?: BaoOptions): Promise<BlobInfo> {
    return importBao(this.#core, hash, stream, options)
  }

  exportBao(hash: Hash | Uint8Array, options?: BaoOptions): AsyncIterable<Bytes> {
    return exportBao(this.#core, hash, options)
  }

  /**
   * Everything of a directory that the `FsStore` of iroh-blobs 0.104 has made and that is not open elsewhere; it is only read.
   * What is here already stays and is passed over, so it can be run again after whatever ended it. Every byte is checked, pairs
   * are made anew; of a damaged blob what is good comes in, and `failed` tells of it. Tags come last, as they are, and replace none.
   * Codes: STORE_LOCKED, STORE_FAILED for a directory of another kind, STORE_FULL.
   */
  importStore(directory: string, options?: StoreImportOptions): Promise<StoreImport> {
    return importStore(this.#core, directory, options)
  }

  /** Everything acknowledged is on disk. */
  sync(): Promise<void> {
    return this.#core.call((native, id, store) => native.storeSync(id, store), nothing)
  }

  /** No operation runs. */
  idle(): Promise<void> {
    return this.#core.call((native, id, store) => native.storeIdle(id, store), nothing)
  }

  /** Every pending promise settles first; then the directory is free. Idempotent. */
  close(): Promise<void> {
    return this.#core.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What belongs to a store; else a `TypeError`. */
export function storeCore(store: BlobStore, name: string): StoreCore {
  if (!(store instanceof BlobStore)) throw new TypeError(`${name}: expected a BlobStore`)
  return unwrap(store)
}
