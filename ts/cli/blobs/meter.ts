// Shows how far something is: a bar on a terminal, a line now and then elsewhere, JSON for programs.
import type { Output } from '../output.js'
import { barLine, type Progress, plainLine, type Timed } from './bar.js'
import { RateMeter } from './rate.js'

const PLAIN_MS = 10_000
const JSON_MS = 500

/** Where a meter shows itself. */
export type Shown = Pick<Output, 'json' | 'draws' | 'progress' | 'say' | 'report' | 'clear'>

export interface MeterOptions {
  /** Say nothing. */
  readonly quiet?: boolean
  /** Milliseconds; for tests. */
  readonly now?: () => number
}

/** One after the other, a meter may show several phases. */
export class Meter {
  readonly #output: Shown
  readonly #quiet: boolean
  readonly #now: () => number
  #rate = new RateMeter()
  #phase = ''
  #said = 0
  #last: Progress | null = null

  constructor(output: Shown, { quiet = false, now = () => performance.now() }: MeterOptions = {}) {
    this.#output = output
    this.#quiet = quiet
    this.#now = now
  }

  /** Bytes of the last update; 0 before the first. */
  get bytes(): number {
    return this.#last?.bytes ?? 0
  }

  update(progress: Progress): void {
    const now = this.#now()
    if (progress.phase !== this.#phase) {
      this.#rate = new RateMeter()
      this.#phase = progress.phase
      this.#said = now
    }
    this.#last = progress
    this.#rate.add(progress.bytes, now)
    if (this.#quiet) return
    this.#output.progress((columns) => barLine(this.#timed(progress, now), columns))
    if (this.#output.draws || now - this.#said < (this.#output.json ? JSON_MS : PLAIN_MS)) return
    this.#said = now
    this.#say(progress, now)
  }

  /** Removes the bar. Programs get the last state, whenever the one before was. */
  done(): void {
    this.#output.clear()
    if (this.#output.json && this.#last !== null && !this.#quiet) this.#say(this.#last, this.#now())
    this.#phase = ''
  }

  #say(progress: Progress, now: number): void {
    const timed = this.#timed(progress, now)
    if (!this.#output.json) {
      this.#output.say(plainLine(timed))
      return
    }
    const { phase, bytes, totalBytes, files, totalFiles, blobs, totalBlobs, name, bytesPerSecond, secondsLeft } = timed
    this.#output.report({
      event: 'progress',
      phase,
      bytes,
      totalBytes,
      bytesPerSecond: bytesPerSecond === null ? null : Math.round(bytesPerSecond),
      secondsLeft: secondsLeft === null ? null : Math.ceil(secondsLeft),
      ...(files !== undefined && { files, totalFiles: totalFiles ?? null }),
      ...(blobs !== undefined && { blobs, totalBlobs: totalBlobs ?? null }),
      ...(name !== undefined && { name }),
    })
  }

  #timed(progress: Progress, now: number): Timed {
    return { ...progress, bytesPerSecond: this.#rate.rate(now), secondsLeft: this.#rate.left(progress.totalBytes, now) }
  }
}
