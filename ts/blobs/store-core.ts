// What a store and everything that belongs to it share.
import { type Bridge, bridge } from '../endpoint/bridge.js'
import type { Abortable } from '../endpoint/call.js'
import { Lease } from '../endpoint/lease.js'
import { GaiwanError } from '../errors.js'
import type { NativeBridge } from '../native.js'
import type { Bytes } from '../wire/bytes.js'
import { Awake } from './awake.js'
import { Collector } from './collect.js'
import type { Settings } from './options.js'

export class StoreCore {
  readonly bridge: Bridge
  readonly lease: Lease
  readonly collector: Collector
  /** What `close` ends. */
  readonly pending = new Set<Abortable>()
  /** Native objects that are in use: readers, batches, uploads. */
  readonly open = new Set<Lease>()
  readonly awake = new Awake()
  #closing: Promise<void> | null = null

  private constructor(owner: Bridge, handle: number, settings: Settings) {
    this.bridge = owner
    this.lease = new Lease(handle)
    owner.own(this, this.lease)
    this.collector = new Collector(this, settings)
  }

  static memory(settings: Settings): StoreCore {
    const owner = bridge()
    return new StoreCore(owner, owner.loose.storeMemory(settings.native), settings)
  }

  static fixed(contents: Uint8Array[], settings: Settings): StoreCore {
    const owner = bridge()
    return new StoreCore(owner, owner.loose.storeFixed(contents), settings)
  }

  /** @throws {GaiwanError} `STORE_LOCKED`, `STORE_FAILED` */
  static async open(directory: string, settings: Settings): Promise<StoreCore> {
    const owner = bridge()
    const awake = new Awake()
    awake.enter()
    try {
      return await owner.call(
        (native, id) => native.storeOpen(id, directory, settings.native),
        (handle) => new StoreCore(owner, handle, settings),
      )
    } finally {
      awake.leave()
    }
  }

  get isClosed(): boolean {
    return this.#closing !== null
  }

  /** Throws STORE_CLOSED after `close`. */
  check(): void {
    if (this.isClosed) throw storeClosed()
  }

  /** Starts a call on the store and gives its answer by `map`. The store lives, and the process with it, until it is there. */
  async call<T>(
    start: (native: NativeBridge, id: number, store: number) => void,
    map: (aux: number, body: Bytes) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    this.check()
    this.awake.enter()
    try {
      return await this.wait(start, map, signal)
    } finally {
      this.awake.leave()
    }
  }

  /** As `call`, for what may take for ever: it does not keep the process alive. */
  async wait<T>(
    start: (native: NativeBridge, id: number, store: number) => void,
    map: (aux: number, body: Bytes) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    this.check()
    return this.bridge.call((native, id) => start(native, id, this.lease.handle), map, { signal, group: this.pending, keep: this })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // One turn later, so that whoever looks sees `isClosed` in all that follows.
    await null
    this.awake.enter()
    const { bridge, lease } = this
    try {
      this.collector.stop()
      for (const one of [...this.pending]) one.abort(storeClosed())
      for (const one of [...this.open]) bridge.release(one)
      await bridge.call(
        (native, id) => native.storeClose(id, lease.handle),
        () => {},
        { keep: this },
      )
      bridge.release(lease)
    } finally {
      this.awake.leave()
    }
  }
}

export function storeClosed(): GaiwanError {
  return new GaiwanError('STORE_CLOSED', 'the store is closed')
}

/** Nothing to be made of an answer. */
export function nothing(): void {}
