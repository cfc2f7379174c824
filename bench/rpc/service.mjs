/** The service of the benchmark, the same as `BenchProtocol` in interop/src/rpc_bench.rs. */
import * as r from '../../dist/rpc/index.js'

export const ALPN = 'gaiwan/bench/1'

export const Bench = r.service({
  Echo: r.unary(r.bytes, r.bytes).at(0),
  Put: r.unary(r.bytes, r.u64).at(1),
  Count: r.serverStream(r.u64, r.u64).at(2),
  Mirror: r.bidiStream(r.unit, r.u64, r.u64).at(3),
})

export const handlers = {
  Echo: (bytes) => bytes,
  Put: (bytes) => BigInt(bytes.length),
  *Count(count) {
    for (let number = 0n; number < count; number++) yield number
  },
  async *Mirror(_, updates) {
    yield* updates
  },
}
