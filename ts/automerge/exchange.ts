// One session of document sync, either role: frames go back and forth in strict turns.
import {
  clone,
  type Doc,
  generateSyncMessage,
  getHeads,
  type Heads,
  init,
  initSyncState,
  merge,
  type PatchCallback,
  receiveSyncMessage,
  view,
} from '@automerge/automerge/slim'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BiStream } from '../endpoint/bi.js'
import type { Connection } from '../endpoint/connection.js'
import type { SendStream } from '../endpoint/send.js'
import { GaiwanError } from '../errors.js'
import { type Bytes, EMPTY } from '../wire/bytes.js'
import { encodeFrame, tooLarge } from '../wire/frames.js'
import { FrameInlet } from './inlet.js'
import type { DocumentHandle, SyncSettings } from './options.js'
import { FRAME_MS, MAX_ROUNDS } from './protocol.js'

/** What went over the wire, without prefixes. */
export interface Totals {
  readonly rounds: number
  readonly bytesSent: number
  readonly bytesReceived: number
}

/** A message longer than this is written in pieces of it, each with the whole patience: a slow link is no silence. */
const PIECE_BYTES = 256 * 1024

/**
 * One session on one stream.
 *
 * It speaks of the document as it was at the start and of what the peer sends, as the reference does: with what the application changes
 * meanwhile it would perhaps never end. The reference makes a fork for that at once; here one is made when there is such a change.
 */
export class Exchange<T> {
  readonly #handle: DocumentHandle<T>
  readonly #settings: SyncSettings
  readonly #onPatch: PatchCallback<T> | undefined
  readonly #send: SendStream
  readonly #inlet: FrameInlet
  #state = initSyncState()
  /** What this session knows of; a fork of that if the application knows more. */
  #heads: Heads
  #fork: Doc<T> | null = null
  #bytesSent = 0
  #bytesReceived = 0

  constructor(stream: BiStream, handle: DocumentHandle<T>, settings: SyncSettings, onPatch: PatchCallback<T> | undefined) {
    this.#handle = handle
    this.#settings = settings
    this.#onPatch = onPatch
    this.#heads = getHeads(handle.get())
    this.#send = stream.send
    this.#inlet = new FrameInlet(stream.recv, 'u64le', settings.maxMessageBytes, FRAME_MS)
  }

  /** Speaks first. Codes: FRAME_TOO_LARGE, PROTOCOL_VIOLATION, SYNC_DIVERGED, TIMEOUT. What was applied stays. */
  dial(): Promise<Totals> {
    return this.#rounds(async () => {
      const said = await this.#say()
      const heard = await this.#hear()
      return said || heard
    })
  }

  /** Listens first; the last word is its own. Codes: as `dial`. */
  serve(): Promise<Totals> {
    return this.#rounds(async () => {
      const heard = await this.#hear()
      const said = await this.#say()
      return said || heard
    })
  }

  /** Ends it from outside: what waits rejects with `reason`. */
  abort(reason: unknown): void {
    this.#inlet.fail(reason)
    this.#send.reset(0)
  }

  async #rounds(round: () => Promise<boolean>): Promise<Totals> {
    for (let rounds = 1; rounds <= MAX_ROUNDS; rounds++) {
      if (!(await round())) return { rounds, bytesSent: this.#bytesSent, bytesReceived: this.#bytesReceived }
      if (this.#settings.yieldBetweenRounds) await nextTurn()
    }
    throw new GaiwanError('SYNC_DIVERGED', `the documents did not converge within ${MAX_ROUNDS} rounds`)
  }

  /** Whether there was something to say. */
  async #say(): Promise<boolean> {
    const [state, message] = generateSyncMessage(this.#document(), this.#state)
    this.#state = state
    const { maxMessageBytes } = this.#settings
    if (message !== null && message.length > maxMessageBytes) throw tooLarge(message.length, maxMessageBytes)
    this.#bytesSent += message?.length ?? 0
    await this.#write(encodeFrame(message ?? EMPTY, 'u64le'))
    return message !== null
  }

  /** Whether the peer had something to say. */
  async #hear(): Promise<boolean> {
    const message = await this.#inlet.next(this.#settings.timeoutMs)
    if (message === null) throw new GaiwanError('PROTOCOL_VIOLATION', 'the stream ended before both had nothing to say')
    if (this.#inlet.isAhead) throw new GaiwanError('PROTOCOL_VIOLATION', 'the peer spoke twice in a row')
    if (message.length === 0) return false
    this.#bytesReceived += message.length
    this.#take(this.#apply(message))
    return true
  }

  #document(): Doc<T> {
    if (this.#fork !== null) return this.#fork
    const doc = this.#handle.get()
    if (getHeads(doc).join() === this.#heads.join()) return doc
    this.#fork = this.#heads.length === 0 ? init<T>() : clone(view(doc, this.#heads))
    return this.#fork
  }

  #apply(message: Bytes): Doc<T> {
    const doc = this.#document()
    try {
      const options = this.#onPatch === undefined ? {} : { patchCallback: this.#onPatch }
      const [next, state] = receiveSyncMessage(doc, this.#state, message, options)
      this.#state = state
      return next
    } catch (cause) {
      throw new GaiwanError('PROTOCOL_VIOLATION', 'the peer sent what is no sync message', { cause })
    }
  }

  #take(doc: Doc<T>): void {
    this.#heads = getHeads(doc)
    if (this.#fork === null) this.#handle.set(doc)
    else {
      this.#fork = doc
      this.#handle.set(merge(this.#handle.get(), doc))
    }
  }

  async #write(frame: Bytes): Promise<void> {
    for (let at = 0; at < frame.length; at += PIECE_BYTES) {
      const written = this.#send.write(frame.subarray(at, at + PIECE_BYTES))
      await inTime(written, this.#settings.timeoutMs)
    }
  }
}

/** Runs `work` with an exchange that a signal can abort. */
export async function withSignal<T, R>(
  exchange: Exchange<T>,
  connection: Connection,
  signal: AbortSignal | undefined,
  work: () => Promise<R>,
): Promise<R> {
  const abort = () => {
    exchange.abort(signal?.reason)
    connection.close(0)
  }
  signal?.addEventListener('abort', abort, { once: true })
  try {
    signal?.throwIfAborted()
    return await work()
  } catch (error) {
    throw signal?.aborted ? signal.reason : error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** Rejects with TIMEOUT when `work` takes longer. */
export async function inTime<R>(work: Promise<R>, ms: number): Promise<R> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new GaiwanError('TIMEOUT', `the peer took nothing for ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
