// The frames of one stream, one after the other.
import type { RecvStream } from '../endpoint/recv.js'
import { GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import { type FramePrefix, FrameReader } from '../wire/frames.js'
import { FRAME_PROGRESS_BYTES } from './protocol.js'

/** Reads a stream only while somebody asks for a frame, so a slow reader holds the peer through QUIC's window. */
export class FrameInlet {
  /** Bytes of the stream that were read, prefixes included. */
  bytesRead = 0
  readonly #recv: RecvStream
  readonly #reader: FrameReader
  readonly #frameMs: number
  #ready: Bytes[] = []
  #failure: { readonly error: unknown } | null = null
  #timer: NodeJS.Timeout | null = null

  /** @param frameMs the longest silence inside a frame; every 256 KiB of it start the time anew */
  constructor(recv: RecvStream, prefix: FramePrefix, maxFrameBytes: number, frameMs: number) {
    this.#recv = recv
    this.#reader = new FrameReader(prefix, maxFrameBytes)
    this.#frameMs = frameMs
  }

  /** Whether the peer has sent more than was taken, as far as it was read. */
  get isAhead(): boolean {
    return this.#ready.length > 0 || this.#reader.pendingBytes > 0
  }

  /**
   * The next payload, null at the end of the stream; one call at a time.
   *
   * Codes: FRAME_TOO_LARGE, PROTOCOL_VIOLATION for an end inside a frame, TIMEOUT, those of the stream.
   *
   * @param patienceMs the longest wait for a frame to begin, or to go on [no limit; `frameMs` inside one]
   */
  async next(patienceMs?: number): Promise<Bytes | null> {
    const waiting = this.#ready.shift()
    if (waiting !== undefined) return waiting
    let progress = this.#reader.pendingBytes
    this.#patience(progress > 0 ? Math.min(this.#frameMs, patienceMs ?? this.#frameMs) : patienceMs)
    try {
      for (;;) {
        const chunk = await this.#recv.read()
        if (this.#failure !== null) throw this.#failure.error
        if (chunk === null) return this.#end()
        this.bytesRead += chunk.length
        this.#ready = this.#reader.push(chunk)
        const frame = this.#ready.shift()
        if (frame !== undefined) return frame
        const { pendingBytes } = this.#reader
        if (progress === 0 || pendingBytes - progress >= FRAME_PROGRESS_BYTES) {
          progress = pendingBytes
          this.#patience(Math.min(this.#frameMs, patienceMs ?? this.#frameMs))
        }
      }
    } catch (error) {
      throw this.#failure === null ? error : this.#failure.error
    } finally {
      this.#patience(undefined)
    }
  }

  /** Stops the stream; `next` rejects with `error`, now and later. */
  fail(error: unknown): void {
    if (this.#failure !== null) return
    this.#failure = { error }
    this.#ready = []
    this.#recv.stop(0)
  }

  #end(): null {
    if (this.#reader.pendingBytes > 0) throw new GaiwanError('PROTOCOL_VIOLATION', 'the stream ended inside a frame')
    return null
  }

  #patience(ms: number | undefined): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (ms === undefined) return
    this.#timer = setTimeout(() => this.fail(new GaiwanError('TIMEOUT', `no frame of the peer within ${ms} ms`)), ms)
  }
}
