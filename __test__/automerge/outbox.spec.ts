import test from 'ava'
import { Outbox } from '../../ts/automerge/outbox.js'
import type { SendStream } from '../../ts/index.js'

/** A stream that takes a frame only when it is let. */
class Slow {
  readonly written: number[] = []
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = []

  get stream(): SendStream {
    const write = (bytes: Uint8Array) => {
      this.written.push(bytes[0]!)
      return new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    }
    return { write } as unknown as SendStream
  }

  async take(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      this.#waiting.shift()?.resolve()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  fail(): void {
    this.#waiting.shift()?.reject(new Error('stopped'))
  }
}

const frame = (first: number, length = 10) => new Uint8Array(length).fill(first)

test('frames go in order, one at a time, and are counted', async (t) => {
  const slow = new Slow()
  const outbox = new Outbox(slow.stream, 1_000, () => t.fail())
  for (let n = 0; n < 4; n++) outbox.push(frame(n))
  t.is(outbox.queuedBytes, 40)
  await slow.take(2)
  t.deepEqual([outbox.queuedBytes, outbox.bytesSent], [20, 20])
  t.deepEqual(slow.written, [0, 1, 2])
  const idle = outbox.idle()
  await slow.take(2)
  await idle
  t.deepEqual([outbox.queuedBytes, outbox.bytesSent], [0, 40])
  t.deepEqual(slow.written, [0, 1, 2, 3])
})

test('of ephemeral frames above their limit the oldest go, and sync frames never', async (t) => {
  const slow = new Slow()
  const outbox = new Outbox(slow.stream, 30, () => t.fail())
  outbox.push(frame(0))
  for (let n = 1; n <= 6; n++) {
    outbox.push(frame(n), true)
    outbox.push(frame(10 + n))
  }
  t.is(outbox.queuedBytes, 100)
  await slow.take(20)
  t.deepEqual(slow.written, [0, 11, 12, 13, 4, 14, 5, 15, 6, 16])
  t.is(outbox.queuedBytes, 0)
  outbox.push(frame(7, 100), true)
  await slow.take(1)
  t.is(slow.written.at(-1), 7, 'one that is larger than the limit by itself is sent all the same')
})

test('a stream that fails is told of once, and what waits is forgotten', async (t) => {
  const slow = new Slow()
  const errors: unknown[] = []
  const outbox = new Outbox(slow.stream, 30, (error) => errors.push(error))
  outbox.push(frame(1))
  outbox.push(frame(2))
  slow.fail()
  await outbox.idle()
  t.deepEqual(
    errors.map((error) => (error as Error).message),
    ['stopped'],
  )
  t.deepEqual([outbox.queuedBytes, slow.written.length], [0, 1])
})
