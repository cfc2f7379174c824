/** What needs no peer: the codec, and calls in process. Prints one line of JSON. */
import * as r from '../../dist/rpc/index.js'
import { decodeFrom, encodeInto } from '../../dist/wire/postcard/message.js'
import { Reader } from '../../dist/wire/reader.js'
import { Writer } from '../../dist/wire/writer.js'

const Row = r.struct({ id: r.u64, name: r.str, tags: r.tuple(r.str, r.str), note: r.option(r.str) })
const row = { id: 1234567n, name: 'a pot of tea', tags: ['green', 'sencha'], note: 'new' }
const ROUNDS = 200_000
const SHARE = 5

/** The best of some rounds, in microseconds for each. */
function best(run) {
  let least = Number.POSITIVE_INFINITY
  for (let n = 0; n < SHARE; n++) {
    const begun = performance.now()
    run(ROUNDS)
    least = Math.min(least, performance.now() - begun)
  }
  return (least / ROUNDS) * 1e3
}

const writer = new Writer()
const bytes = r.encode(Row, row)
const encodeUs = best((rounds) => {
  for (let n = 0; n < rounds; n++) {
    writer.clear()
    encodeInto(Row, row, writer)
  }
})
const decodeUs = best((rounds) => {
  for (let n = 0; n < rounds; n++) decodeFrom(Row, new Reader(bytes))
})

const Small = r.service({ Echo: r.unary(r.u32, r.u32), Later: r.unary(r.u32, r.u32) })
const local = r.local(Small, { Echo: (n) => n, Later: async (n) => n })
async function localPerSecond(method) {
  let most = 0
  for (let n = 0; n < SHARE; n++) {
    const begun = performance.now()
    for (let call = 0; call < ROUNDS; call++) await method(call)
    most = Math.max(most, (ROUNDS / (performance.now() - begun)) * 1e3)
  }
  return most
}
console.log(JSON.stringify({ encodeUs, decodeUs, local: await localPerSecond(local.Echo), localAsync: await localPerSecond(local.Later) }))
