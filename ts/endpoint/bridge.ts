// The one object between this JavaScript environment and the native core: `docs/design/boundary.md`.
import { markAsUntransferable } from 'node:worker_threads'
import { fromNative, fromThrown } from '../errors.js'
import { native as addon, type NativeBridge } from '../native.js'
import { allocate, type Bytes, type BytesLike, EMPTY, text, utf8 } from '../wire/bytes.js'
import {
  Block,
  END,
  ERROR,
  EVENT_WORDS,
  FAILED,
  HANDLE,
  ITEM,
  KIND_BITS,
  LARGE,
  OK,
  PAIR,
  RELEASE,
  recordBytes,
  SLAB_LEFT,
} from '../wire/records.js'
import { Call, type CallOptions, type Sink } from './call.js'
import { ConnectionLease, type Lease } from './lease.js'
import { Nursery } from './nursery.js'

const SLAB_BYTES = 32 * 1024
const BLOCK_BYTES = 64 * 1024
/** Bytes that one read asks for. */
export const READ_BYTES = 64 * 1024
/** How often a block may wait for one more round of microtasks, so that `write` and `finish` of a stream travel together. */
const ROUNDS = 4

let current: Bridge | null = null
const starters: Array<(bridge: Bridge) => void> = []

/** The bridge of this environment, made at the first call: it starts the native runtime. */
export function bridge(): Bridge {
  if (current === null) {
    current = new Bridge()
    for (const start of starters) start(current)
  }
  return current
}

/** Calls `start` with the bridge, now if there is one, else as soon as there is. */
export function onBridge(start: (bridge: Bridge) => void): void {
  if (current !== null) start(current)
  else starters.push(start)
}

/** Carries calls forth and records back. */
export class Bridge {
  readonly #native: NativeBridge
  readonly #sinks = new Map<number, Sink>()
  readonly #nursery: Nursery
  readonly #block = new Block(BLOCK_BYTES)
  #lastId = 0
  #wrapped = false
  #slab: Bytes = EMPTY
  #words = new Uint32Array(0)
  #offset = 0
  #due = false
  #rounds = 0
  #seen = 0
  #scratch: Bytes | null = null
  /** Counts the windows in which small things are collected: some rounds of microtasks each. */
  epoch = 0

  constructor() {
    this.#native = new addon.NativeBridge(() => this.#drain())
    this.#nursery = new Nursery(this.#native, (lease) => this.release(lease))
  }

  /** The native methods, for calls that must come after all that was submitted. */
  get direct(): NativeBridge {
    if (this.#block.used > 0) this.flush()
    return this.#native
  }

  /** The native methods, for calls that have no order: reads and getters. */
  get loose(): NativeBridge {
    return this.#native
  }

  /** A number for a call or subscription; small, so that the engine keeps it as one word. */
  nextId(): number {
    do {
      if (this.#lastId === 0x3fffffff) {
        this.#lastId = 0
        this.#wrapped = true
      }
      this.#lastId++
    } while (this.#wrapped && this.#sinks.has(this.#lastId))
    return this.#lastId
  }

  /** Records of `id` go to `sink` from now on. */
  listen(id: number, sink: Sink): void {
    this.#sinks.set(id, sink)
  }

  /** Whether records of `id` may still come. */
  isListened(id: number): boolean {
    return this.#sinks.has(id)
  }

  /** Records of `id` are ignored from now on. */
  forget(id: number): void {
    this.#sinks.delete(id)
  }

  /** Records of `id` are ignored from now on, and the native core stops. */
  cancel(id: number): void {
    this.#sinks.delete(id)
    this.direct.cancel(id)
  }

  /**
   * Starts a call and gives its answer by `map`.
   *
   * @param start calls the native method with the id; may throw what native methods throw
   */
  call<T>(start: (native: NativeBridge, id: number) => void, map: (aux: number, body: Bytes) => T, options: CallOptions = {}): Promise<T> {
    const { signal, group, keep } = options
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const id = this.nextId()
      const call = new Call(resolve, reject, map, keep)
      try {
        start(this.direct, id)
      } catch (error) {
        reject(fromThrown(error))
        return
      }
      this.#sinks.set(id, call)
      if (signal !== undefined || group !== undefined) call.arm(() => this.cancel(id), options)
    })
  }

  /**
   * As `call`, for methods that may be done at once: then `start` answers true and this null. Only for those that need no order: what is
   * collected in the block stays there, for else every opened stream would send the block of all streams before it.
   */
  callUnless<T>(
    start: (native: NativeBridge, id: number) => boolean,
    map: (aux: number, body: Bytes) => T,
    options: CallOptions,
  ): Promise<T> | null {
    const id = this.nextId()
    if (start(this.loose, id)) return null
    return new Promise((resolve, reject) => {
      const call = new Call(resolve, reject, map, options.keep)
      this.#sinks.set(id, call)
      if (options.signal !== undefined) call.arm(() => this.cancel(id), options)
    })
  }

  /** Starts a call that travels in the block; its answer is the body. `keep` lives at least as long. */
  callBlock(op: number, handle: number, param: number, body: BytesLike, keep: object, signal: AbortSignal | undefined): Promise<Bytes> {
    return this.callRecord(op, handle, param, body, bodyOf, keep, signal)
  }

  /** As `callBlock`, with the answer that `map` makes. */
  callRecord<T>(
    op: number,
    handle: number,
    param: number,
    body: BytesLike,
    map: (aux: number, body: Bytes) => T,
    keep: object,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const id = this.nextId()
      const call = new Call(resolve, reject, map, keep)
      this.#sinks.set(id, call)
      if (signal !== undefined) call.arm(() => this.cancel(id), { signal })
      this.submit(op, handle, id, param, body)
    })
  }

  /** Adds a record to the block of this tick. The body is copied before this returns. */
  submit(op: number, handle: number, id: number, param: number, body: BytesLike): void {
    const block = this.#block
    const most = recordBytes(typeof body === 'string' ? 3 * body.length : body.length)
    if (most > block.room) {
      this.flush()
      if (most > BLOCK_BYTES) {
        this.#native.submitLarge(op, handle, id, param, typeof body === 'string' ? utf8(body) : body)
        return
      }
    }
    if (typeof body === 'string') block.appendText(op, handle, id, param, body)
    else block.append(op, handle, id, param, body)
    this.touch()
  }

  /** Opens a window, unless one is open; at its end the block is sent. */
  touch(): void {
    if (this.#due) return
    this.#due = true
    this.#rounds = 0
    this.#seen = 0
    queueMicrotask(this.#settle)
  }

  /** Sends the block now. */
  flush(): void {
    const block = this.#block
    if (block.used === 0) return
    const { used } = block
    block.clear()
    this.#native.submit(block.bytes, used)
  }

  /** Ends the window once a round of microtasks adds nothing any more. */
  readonly #settle = (): void => {
    const { used } = this.#block
    if (this.#rounds < ROUNDS && (this.#rounds === 0 || used !== this.#seen)) {
      this.#rounds++
      this.#seen = used
      queueMicrotask(this.#settle)
      return
    }
    this.#due = false
    this.epoch++
    this.flush()
  }

  /** When `owner` is garbage, some time after, the handle of `lease` is released. */
  own(owner: object, lease: Lease): void {
    this.#nursery.add(owner, lease)
  }

  /** Gives a handle back, the first time. */
  release(lease: Lease): void {
    const { handle } = lease
    if (handle === 0) return
    lease.handle = 0
    lease.list?.delete(lease)
    if (lease instanceof ConnectionLease) {
      for (const sub of lease.subs) this.cancel(sub)
      this.direct.release(handle)
    } else this.submit(RELEASE, handle, 0, 0, EMPTY)
  }

  /** Gives back a handle that nobody has wrapped. */
  releaseHandle(handle: number): void {
    this.direct.release(handle)
  }

  /** Memory for one read, `READ_BYTES` long; `handOut` gives what was read into it. */
  get scratch(): Bytes {
    this.#scratch ??= allocate(READ_BYTES)
    return this.#scratch
  }

  /** The first `length` bytes of the scratch memory, as memory that the user may keep. */
  handOut(length: number): Bytes {
    const scratch = this.scratch
    // A short read must not pin all of it.
    if (length < READ_BYTES / 2) {
      const own = allocate(length)
      own.set(scratch.subarray(0, length))
      return own
    }
    this.#scratch = null
    return length === READ_BYTES ? scratch : scratch.subarray(0, length)
  }

  #drain(): void {
    for (;;) {
      // A user may have detached the memory of a body that shares the slab.
      if (this.#slab.length - this.#offset < SLAB_LEFT) this.#newSlab()
      const start = this.#offset
      const end = this.#native.drain(this.#slab, start)
      if (end === start) return
      this.#offset = end
      this.#walk(start >>> 2, end >>> 2)
    }
  }

  #newSlab(): void {
    this.#slab = allocate(SLAB_BYTES)
    markAsUntransferable(this.#slab.buffer)
    this.#words = new Uint32Array(this.#slab.buffer)
    this.#offset = 0
  }

  #walk(start: number, end: number): void {
    const words = this.#words
    const { buffer } = words
    for (let at = start; at < end; ) {
      const id = words[at] as number
      const kind = words[at + 1] as number
      const aux = words[at + 2] as number
      const length = words[at + 3] as number
      at += EVENT_WORDS
      let body = EMPTY
      if (kind & LARGE) {
        body = allocate(length)
        this.#native.takeLarge(body)
      } else if (length > 0) {
        body = new Uint8Array(buffer as ArrayBuffer, at << 2, length)
        at += (length + 3) >>> 2
      }
      try {
        this.#deliver(id, kind, aux, body)
      } catch (error) {
        // One that throws must not cost the others their records; it is heard as an uncaught exception.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  #deliver(id: number, kind: number, aux: number, body: Bytes): void {
    const sink = this.#sinks.get(id)
    if (sink === undefined) {
      if (kind & (HANDLE | PAIR)) this.releaseHandle(aux)
      if (kind & PAIR) this.releaseHandle(aux + 1)
      return
    }
    const what = kind & KIND_BITS
    if (what !== ITEM) this.#sinks.delete(id)
    if (what === OK || what === ITEM) sink.take(aux, body)
    else if (what === END) sink.end(null)
    else if (what === ERROR || what === FAILED) sink.end(fromNative(text(body)))
  }
}

function bodyOf(_: number, body: Bytes): Bytes {
  return body
}

/** Keeps the process alive until cleared, unless it is unref'd. */
export function keepAlive(): NodeJS.Timeout {
  return setInterval(() => {}, 2 ** 31 - 1)
}
