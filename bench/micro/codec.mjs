/** What do postcard codecs cost? Times encode and decode of a few shapes, by `dist/`; the targets are those of the struct. */
import * as r from '../../dist/rpc/index.js'
import { encodeFrame } from '../../dist/wire/postcard/message.js'
import { Writer } from '../../dist/wire/writer.js'

const LOOPS = 9
const STEPS = 100_000

const Named = r.struct({ id: r.u64, name: r.str, tags: r.seq(r.str), parent: r.option(r.u32) })
const Five = r.struct({ id: r.u64, name: r.str, first: r.str, second: r.str, note: r.option(r.str) })
const Message = r.enumOf({ Get: r.struct({ key: r.str }), Set: r.struct({ key: r.str, value: r.bytes }), Stop: r.unit })
const CASES = [
  ['struct of u64, string, 2 strings, option', Named, { id: 300n, name: 'assam', tags: ['black', 'strong'], parent: 5 }],
  ['the same, the strings as fields', Five, { id: 300n, name: 'assam', first: 'black', second: 'strong', note: 'new' }],
  ['the same, u64 of 2^50, text beyond ASCII', Named, { id: 2n ** 50n, name: 'thé', tags: ['černý', '茶'], parent: undefined }],
  ['enum of struct of string, 16 bytes', Message, { tag: 'Set', value: { key: 'hello', value: new Uint8Array(16) } }],
  ['tuple of string, u64', r.tuple(r.str, r.u64), ['a', 300n]],
  ['seq of 1,000 u32', r.seq(r.u32), Array.from({ length: 1_000 }, (_, n) => n * 70)],
  ['record of 10 strings', r.record(r.str), Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`key ${n}`, `value ${n}`]))],
  ['64 KiB of bytes', r.bytes, new Uint8Array(65_536)],
  ['text of 1,000 letters', r.str, 'tea '.repeat(250)],
]

/** Nanoseconds of one step: the least and the median of some loops. */
function time(step, steps) {
  const each = []
  for (let loop = 0; loop < LOOPS; loop++) {
    const begun = process.hrtime.bigint()
    for (let n = 0; n < steps; n++) step()
    each.push(Number(process.hrtime.bigint() - begun) / steps)
  }
  each.sort((a, b) => a - b)
  return { least: Math.round(each[0]), median: Math.round(each[LOOPS >> 1]) }
}

const writer = new Writer()
const rows = []
// All shapes run once before any is timed, so that every call in the codecs has seen several kinds, as in a program.
for (const timed of [false, true]) {
  for (const [name, codec, value] of CASES) {
    const bytes = r.encode(codec, value)
    const steps = Math.ceil((timed ? STEPS : STEPS / 10) / Math.max(1, bytes.length / 100))
    const encode = time(() => r.encode(codec, value), steps)
    const frame = time(() => {
      encodeFrame(codec, value, writer, { index: 1 })
      writer.clear()
    }, steps)
    const decode = time(() => r.decode(codec, bytes), steps)
    if (!timed) continue
    rows.push({
      shape: name,
      bytes: bytes.length,
      'encode ns': encode.median,
      'frame ns': frame.median,
      'decode ns': decode.median,
      'least encode': encode.least,
      'least frame': frame.least,
      'least decode': decode.least,
    })
  }
}
console.log(`Node.js ${process.version}, ${process.arch}; nanoseconds of one operation, median of ${LOOPS} loops and the least`)
console.table(rows)
