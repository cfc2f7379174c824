/**
 * One process of a pair on @grpc/grpc-js, with the lines of `peer.mjs`: `serve`, and `call ID ADDRESS CASE MS` with case unary or parallel.
 * In the clear, which flatters it: gaiwan encrypts.
 */
import { once } from 'node:events'
import grpc from '@grpc/grpc-js'

const PARALLEL = { unary: 1, parallel: 64 }
const BODY = Buffer.alloc(16, 7)
const same = (bytes) => bytes
/** Bytes as they are: no codec is measured on this side. */
const SERVICE = {
  echo: {
    path: '/gaiwan.Bench/Echo',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
}

async function serveUntilEnd() {
  const server = new grpc.Server()
  server.addService(SERVICE, { echo: ({ request }, answer) => answer(null, request) })
  const port = await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  console.log(JSON.stringify({ id: '-', address: `127.0.0.1:${port}` }))
  process.stdin.resume()
  await once(process.stdin, 'end')
  server.forceShutdown()
}

async function call(address, name, ms) {
  const Bench = grpc.makeGenericClientConstructor(SERVICE, 'Bench')
  const bench = new Bench(address, grpc.credentials.createInsecure())
  const echo = () =>
    new Promise((resolve, reject) => {
      bench.echo(BODY, (error, bytes) => (error ? reject(error) : resolve(bytes)))
    })
  // Dials, which is not measured.
  await echo()
  const begun = performance.now()
  let items = 0
  const lane = async () => {
    while (performance.now() - begun < ms) {
      const { length } = await echo()
      if (length !== BODY.length) throw new Error(`${length} bytes came back`)
      items++
    }
  }
  await Promise.all(Array.from({ length: PARALLEL[name] }, lane))
  const took = performance.now() - begun
  console.log(JSON.stringify({ case: name, items, ms: took, perSecond: (items / took) * 1e3 }))
  bench.close()
}

const [role, , address, name, ms] = process.argv.slice(2)
if (role === 'serve') await serveUntilEnd()
else await call(address, name, Number(ms))
