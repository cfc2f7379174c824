// Frames on their way to one peer.
import type { SendStream } from '../endpoint/send.js'
import type { Bytes } from '../wire/bytes.js'

interface Entry {
  /** Null: dropped while it waited. */
  frame: Bytes | null
  readonly isEphemeral: boolean
}

/** Writes frames in order, one at a time; bounded by whoever looks at `queuedBytes`. */
export class Outbox {
  /** Bytes that the stream has not taken yet. */
  queuedBytes = 0
  /** Bytes that the stream has taken. */
  bytesSent = 0
  readonly #send: SendStream
  readonly #maxEphemeralBytes: number
  readonly #fail: (error: unknown) => void
  #entries: Entry[] = []
  #at = 0
  #ephemeralBytes = 0
  #pump: Promise<void> | null = null

  /** @param fail hears once why the stream takes no more */
  constructor(send: SendStream, maxEphemeralBytes: number, fail: (error: unknown) => void) {
    this.#send = send
    this.#maxEphemeralBytes = maxEphemeralBytes
    this.#fail = fail
  }

  /** Queues a frame. Ephemeral ones above their limit push out the oldest of them that wait. */
  push(frame: Bytes, isEphemeral = false): void {
    this.#entries.push({ frame, isEphemeral })
    this.queuedBytes += frame.length
    if (isEphemeral) {
      this.#ephemeralBytes += frame.length
      for (let at = this.#at; this.#ephemeralBytes > this.#maxEphemeralBytes && at < this.#entries.length - 1; at++) this.#drop(at)
    }
    this.#pump ??= this.#run()
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    await this.#pump
  }

  /** Forgets what waits. */
  clear(): void {
    this.#entries = []
    this.#at = 0
    this.queuedBytes = this.#ephemeralBytes = 0
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    try {
      for (;;) {
        const frame = this.#next()
        if (frame === null) break
        await this.#send.write(frame)
        this.bytesSent += frame.length
        this.queuedBytes = Math.max(0, this.queuedBytes - frame.length)
      }
    } catch (error) {
      this.clear()
      this.#fail(error)
    } finally {
      this.#pump = null
    }
  }

  #next(): Bytes | null {
    while (this.#at < this.#entries.length) {
      const { frame, isEphemeral } = this.#entries[this.#at++] as Entry
      if (frame === null) continue
      if (isEphemeral) this.#ephemeralBytes -= frame.length
      return frame
    }
    this.#entries = []
    this.#at = 0
    return null
  }

  #drop(at: number): void {
    const entry = this.#entries[at] as Entry
    if (!entry.isEphemeral || entry.frame === null) return
    this.#ephemeralBytes -= entry.frame.length
    this.queuedBytes -= entry.frame.length
    entry.frame = null
  }
}
