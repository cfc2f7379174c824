// The bytes of `interop/src/pattern.rs`, made and hashed here on our own.
import { createHash } from 'node:crypto'
import type { RecvStream, SendStream } from '../../ts/index.js'
import type { Tally } from './peer-handles.js'

const PERIOD = 65_521

function block(seed: number): Uint8Array {
  return Uint8Array.from({ length: PERIOD }, (_, i) => i * 167 + (i >> 8) * 59 + seed)
}

/** `bytes` of the pattern in pieces, none of which fills the block or a packet evenly. */
export function* pattern(bytes: number, seed: number): Generator<Uint8Array, void, undefined> {
  const whole = block(seed)
  for (let sent = 0; sent < bytes; sent += PERIOD) yield whole.subarray(0, Math.min(PERIOD, bytes - sent))
}

/** Writes the pattern and ends the stream; count and hash of what was written. */
export async function sendPattern(send: SendStream, bytes: number, seed: number): Promise<Tally> {
  const hash = createHash('sha256')
  for (const chunk of pattern(bytes, seed)) {
    hash.update(chunk)
    await send.write(chunk)
  }
  await send.finish()
  return { bytes, sha256: hash.digest('hex') }
}

/** Reads to the end; count and hash of what came. */
export async function tallyOf(recv: RecvStream): Promise<Tally> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of recv) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}
