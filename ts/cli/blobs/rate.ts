// How fast something goes, and how long it still takes.

/** What happened longer ago says little about now. */
const WINDOW_MS = 5_000
/** A shorter time makes any rate look wild. */
const LEAST_MS = 200
const SAMPLE_MS = 100

/** Rate over the last seconds. Times in milliseconds of one clock that never goes back. */
export class RateMeter {
  /** Oldest first; one more than the window needs, so that it is covered whole. */
  #samples: Array<{ at: number; bytes: number }> = []

  /** Bytes in all at a time. Fewer than before is a new start. */
  add(bytes: number, at: number): void {
    const last = this.#samples.at(-1)
    if (last !== undefined && bytes < last.bytes) this.#samples = []
    const previous = this.#samples.at(-2)
    // The newest sample moves along until it is a step away from the one before.
    if (previous !== undefined && at - previous.at < SAMPLE_MS) this.#samples.pop()
    this.#samples.push({ at, bytes })
    while (this.#samples.length > 2 && this.#samples[1]!.at <= at - WINDOW_MS) this.#samples.shift()
  }

  /** Bytes a second; null until there is enough to tell. Falls when nothing comes any more. */
  rate(now: number): number | null {
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || now - first.at < LEAST_MS) return null
    return ((last.bytes - first.bytes) * 1000) / (now - first.at)
  }

  /** Seconds until `totalBytes`; null while that cannot be told. */
  left(totalBytes: number | null, now: number): number | null {
    const rate = this.rate(now)
    const bytes = this.#samples.at(-1)?.bytes
    if (rate === null || rate <= 0 || totalBytes === null || bytes === undefined) return null
    return Math.max(0, totalBytes - bytes) / rate
  }
}

/** `0:05`, `12:03`, `1:02:03`; days are too long to count down. */
export function timeText(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole >= 100 * 3_600) return 'days'
  const parts = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60]
  if (parts[0] === 0) parts.shift()
  return parts.map((part, n) => (n === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}
