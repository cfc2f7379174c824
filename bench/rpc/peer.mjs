/**
 * One process of an rpc pair, with the lines of `rpc-bench` of the interop peer: `serve`, and `call ID ADDRESS CASE MS`,
 * where the case is unary, parallel, stream, bidi or mebibyte.
 */
import { once } from 'node:events'
import { Endpoint, Router } from '../../dist/index.js'
import { client, serve } from '../../dist/rpc/index.js'
import { ALPN, Bench, handlers } from './service.mjs'

const SMALL = 16
const LARGE = 1 << 20
const PARALLEL = 64
/** Updates that are not answered yet, at most, as in the reference. */
const IN_FLIGHT = 1_024

async function serveUntilEnd() {
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0' })
  const router = Router.builder(endpoint).accept(ALPN, serve(Bench, handlers)).spawn()
  console.log(JSON.stringify({ id: endpoint.id, address: endpoint.boundAddresses[0] }))
  process.stdin.resume()
  await once(process.stdin, 'end')
  await router.shutdown()
}

async function call(to, name, ms) {
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0' })
  const bench = client(Bench, endpoint, to, ALPN, { drainMs: 100 })
  // Dials, which is not measured.
  await bench.Echo(new Uint8Array(SMALL))
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const { items, bytes } = await CASES[name](bench, () => performance.now() - begun < ms)
  const took = performance.now() - begun
  const { user, system } = process.cpuUsage(cpu)
  console.log(JSON.stringify({ case: name, items, bytes, ms: took, perSecond: (items / took) * 1e3, cpuMs: (user + system) / 1e3 }))
  await bench.close()
  await endpoint.close()
}

const lanes = (count) => async (bench, going) => {
  let items = 0
  const body = new Uint8Array(SMALL).fill(7)
  const lane = async () => {
    while (going()) {
      await bench.Echo(body)
      items++
    }
  }
  await Promise.all(Array.from({ length: count }, lane))
  return { items, bytes: items * SMALL }
}

const CASES = {
  unary: lanes(1),
  parallel: lanes(PARALLEL),

  async stream(bench, going) {
    let items = 0
    for await (const number of bench.Count(2n ** 64n - 1n)) {
      if (number !== BigInt(items)) throw new Error(`${number} came where ${items} was due`)
      // The clock is dearer than an item.
      if (++items % 256 === 0 && !going()) break
    }
    return { items, bytes: 0 }
  },

  async bidi(bench, going) {
    let [items, sent] = [0, 0]
    let room = null
    async function* numbers() {
      while (sent % 256 !== 0 || going()) {
        if (sent - items >= IN_FLIGHT) {
          await new Promise((resolve) => {
            room = resolve
          })
        }
        yield BigInt(sent++)
      }
    }
    for await (const _ of bench.Mirror(numbers())) {
      items++
      if (room !== null && sent - items < IN_FLIGHT / 2) {
        room()
        room = null
      }
    }
    if (items !== sent) throw new Error(`${items} of ${sent} came back`)
    return { items, bytes: 0 }
  },

  async mebibyte(bench, going) {
    const body = new Uint8Array(LARGE).fill(7)
    let items = 0
    while (going()) {
      const length = await bench.Put(body)
      if (length !== BigInt(LARGE)) throw new Error(`${length} bytes arrived`)
      items++
    }
    return { items, bytes: items * LARGE }
  },
}

const [role, ...rest] = process.argv.slice(2)
if (role === 'serve') await serveUntilEnd()
else if (role === 'call') await call({ id: rest[0], addresses: [rest[1]] }, rest[2], Number(rest[3]))
else throw new Error(`the role is serve or call, not ${role}`)
