/** W1: how fast is one stream, one way? 64 KiB writes; the receiver counts and answers the count. */
import { peer } from './harness.mjs'

/** Bytes of a write, and of the reader's buffer. */
const BLOCK = 64 * 1024
/** Bytes sent before the clock starts: congestion window and path MTU have grown by then. */
const WARM_BYTES = 16 * 2 ** 20

/** Sends `bytes`; gives the whole answer of the receiver. */
export async function sendStream(connection, bytes) {
  const block = new Uint8Array(BLOCK).fill(0x67)
  const { send, recv } = await connection.openBi()
  for (let left = bytes; left > 0; left -= BLOCK) {
    await send.write(left < BLOCK ? block.subarray(0, left) : block)
  }
  await send.finish()
  return recv.readToEnd(24)
}

/** Bytes until the end, read into one buffer. */
export async function countStream(recv) {
  const buffer = new Uint8Array(BLOCK)
  let total = 0
  for (;;) {
    const read = await recv.readInto(buffer)
    if (read === 0) return total
    total += read
  }
}

/** Numbers as u64, little-endian. */
export function words(...numbers) {
  return new Uint8Array(BigUint64Array.from(numbers, BigInt).buffer)
}

/** The u64 at `index`, as a number. */
export function word(bytes, index) {
  return Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(index * 8, true))
}

async function sendCounted(connection, bytes) {
  const counted = word(await sendStream(connection, bytes), 0)
  if (counted !== bytes) throw new Error(`the receiver counted ${counted}, not ${bytes}`)
}

const w1 = {
  name: 'w1',

  async serve(connection) {
    for await (const { send, recv } of connection.incomingBi()) {
      await send.write(words(await countStream(recv)))
      await send.finish()
    }
  },

  async run(dialer, gate, { bytes }) {
    const connection = await dialer.connect()
    await sendCounted(connection, WARM_BYTES)
    const run = await gate.ready()
    const started = performance.now()
    await sendCounted(connection, bytes)
    const perSecond = (bytes / (performance.now() - started)) * 1e3
    await gate.result(run, { bytes, perSecond })
  },
}

if (process.argv[1] === import.meta.filename) await peer(w1)
