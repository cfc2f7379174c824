// A scope: what is added in it stays until it ends.
import { fromThrown, GaiwanError } from '../errors.js'
import type { Hash } from '../wire/bytes.js'
import { add, addFile, type Target } from './add.js'
import { addDirectory } from './directory.js'
import { toHash } from './hash.js'
import type { BlobFormat, BlobInfo, CollectionInfo } from './info.js'
import { Loan } from './loan.js'
import { type AddDirectoryOptions, type AddFileOptions, type AddOptions, formatOf } from './options.js'
import type { Addable } from './source.js'
import type { BlobStore } from './store.js'
import type { StoreCore } from './store-core.js'

/** Holds what is added inside until disposed; without the option `tag` nothing else does. */
export interface Batch extends AsyncDisposable {
  add: BlobStore['add']
  addFile: BlobStore['addFile']
  addDirectory: BlobStore['addDirectory']
  /** Holds a blob that is here already. */
  hold(hash: Hash | Uint8Array, format?: BlobFormat): void
  close(): Promise<void>
}

export class StoreBatch implements Batch {
  readonly #core: StoreCore
  readonly #loan: Loan

  constructor(core: StoreCore) {
    core.check()
    this.#core = core
    this.#loan = new Loan(core, core.bridge.loose.batchBegin())
  }

  async add(data: Addable, options?: AddOptions): Promise<BlobInfo> {
    return add(this.#target, data, options)
  }

  async addFile(path: string, options?: AddFileOptions): Promise<BlobInfo> {
    return addFile(this.#target, path, options)
  }

  async addDirectory(path: string, options?: AddDirectoryOptions): Promise<CollectionInfo> {
    return addDirectory(this.#target, path, options)
  }

  hold(hash: Hash | Uint8Array, format?: BlobFormat): void {
    const what = toHash(hash, 'hash')
    const hashSeq = formatOf(format) === 'hashSeq'
    const { core, batch } = this.#target
    try {
      core.bridge.loose.batchHold(batch, core.lease.handle, what, hashSeq)
    } catch (error) {
      throw fromThrown(error)
    }
  }

  async close(): Promise<void> {
    this.#loan.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #target(): Target {
    this.#core.check()
    const { handle } = this.#loan
    if (handle === 0) throw new GaiwanError('STORE_CLOSED', 'the batch is closed')
    return { core: this.#core, batch: handle }
  }
}
