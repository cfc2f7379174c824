// Both ends of what flows one way, whether over a network or in process.

export type Next = IteratorResult<unknown, undefined>

/** Where values come out. */
export interface Receiver {
  /** The next value, or the end; rejects with what broke it off, also ever after. */
  next(): Promise<Next>
  /** Wants no more. A `next` that waits gets the end. */
  close(): void
  /** As `close`, but `next` rejects. */
  fail(error: unknown): void
}

/** Where values go in. */
export interface Sender {
  /** Takes a value; a promise means: not before that settles the next one. Throws what `push` of a value that cannot be sent throws. */
  push(value: unknown): Promise<void> | undefined
  /** Whether values can be pushed: not after an end, a stop or a loss. */
  readonly open: boolean
  /** Whether a value would have to wait. */
  readonly full: boolean
  /** The end, behind all values. */
  finish(): void
  /** An end that nobody can take for a good one. */
  abort(code: number): void
  /** Once the receiver wants no more, or is gone; never rejects. May never settle. */
  readonly stopped: Promise<void>
  /** Once the receiver has everything up to the end; asked for before `finish`. Rejects if it never will. */
  readonly arrived: Promise<void>
}

export const DONE: Next = Object.freeze({ done: true, value: undefined })

/** The only value of a half, which must also end well. */
export async function onlyValue(receiver: Receiver): Promise<unknown> {
  const first = await receiver.next()
  if (first.done) return undefined
  // Rejects if more comes, and if it does not end well.
  await receiver.next()
  return first.value
}
