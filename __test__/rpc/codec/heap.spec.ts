import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import * as r from '../../../ts/rpc/index.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** The most heap that a byte of a message may take. */
const FACTOR = 64
const MIB = 1 << 20

/** What a message of the greatest count that fits costs, by codecs of the least items and the byte that they consist of. */
const WORST: [codec: r.AnyCodec, fill: number][] = [
  [r.u8, 0],
  [r.u64, 1],
  [r.bytes, 0],
  [r.str, 0],
  [r.seq(r.u8), 0],
  [r.set(r.u8), 0],
  [r.map(r.u8, r.u8), 0],
  [r.record(r.u8), 0],
  [r.option(r.u8), 0],
  [r.maybe(r.unit), 1],
  [r.tuple(r.option(r.u8)), 0],
  [r.struct({ a: r.option(r.u8) }), 0],
  [r.struct({ b: r.u8 }), 1],
  [r.enumOf({ A: r.unit }), 0],
  [r.enumOf({ B: r.u8 }), 0],
  [r.result(r.unit, r.unit), 1],
  [r.lazy(() => r.tuple(r.u8)), 0],
]
for (const [item, fill] of WORST) {
  test.serial(`a message of many ${item.name} takes at most ${FACTOR} times its length of heap`, (t) => {
    const codec = r.seq(item) as r.Codec<unknown[]>
    const count = Math.floor(MIB / item.minBytes)
    const head = r.encode(r.u32, count)
    const message = new Uint8Array(head.length + MIB).fill(fill)
    message.set(head)
    collect()
    const before = process.memoryUsage().heapUsed
    let decoded: unknown[] | null = null
    try {
      decoded = r.decode(codec, message)
    } catch (error) {
      t.regex((error as Error).message, /too many maps and sets/)
    }
    collect()
    const used = process.memoryUsage().heapUsed - before
    t.true(used <= FACTOR * message.length + MIB / 4, `${(used / message.length).toFixed(1)} times`)
    t.true(decoded === null || decoded.length === count)
  })
}
