/**
 * Do 200,000 connections leave anything behind? Two endpoints in this process connect, echo a byte and close, 16 at a
 * time; memory, handles and the native gauges are read on the way. Prints a line each reading and the slope at the end.
 *
 * `node --expose-gc bench/soak.mjs [--cycles N] [--lanes N] [--samples N] [--json]`; with --json one object at the end:
 * `{cycles, seconds, failures, samples: [{cycles, rssBytes, heapBytes, handles, metrics}], slopeBytesPerCycle, growth}`.
 */
import { parseArgs } from 'node:util'

import { Endpoint, Router } from '../dist/index.js'
import { rssBytes } from './harness.mjs'

const ALPN = 'gaiwan-bench/soak'

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200000' },
    lanes: { type: 'string', default: '16' },
    samples: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
})
const cycles = Number(values.cycles)
const perSample = Math.ceil(cycles / Number(values.samples))

/** Counts by type of what keeps the event loop alive, as `{TCPWRAP: 1}`. */
function handles() {
  const counts = {}
  for (const type of process.getActiveResourcesInfo()) counts[type] = (counts[type] ?? 0) + 1
  return counts
}

/** Least squares: what one cycle adds to `of(sample)`. */
function slope(samples, of) {
  const mean = (values_) => values_.reduce((sum, value) => sum + value, 0) / values_.length
  const meanX = mean(samples.map((it) => it.cycles))
  const meanY = mean(samples.map(of))
  let covariance = 0
  let variance = 0
  for (const sample of samples) {
    covariance += (sample.cycles - meanX) * (of(sample) - meanY)
    variance += (sample.cycles - meanX) ** 2
  }
  return variance === 0 ? 0 : covariance / variance
}

const server = await Endpoint.bind({ bind: '127.0.0.1:0' })
const client = await Endpoint.bind({ bind: '127.0.0.1:0' })
const router = Router.builder(server)
  .accept(ALPN, (connection) => connection.serve((body) => body))
  .spawn()

/** Everything that could grow. Reading it collects the garbage first where node has `--expose-gc`. */
function sample(done) {
  return {
    cycles: done,
    rssBytes: rssBytes(),
    heapBytes: process.memoryUsage().heapUsed,
    handles: handles(),
    metrics: { client: client.metrics(), server: server.metrics() },
  }
}

let started = 0
let failures = 0
const byte = Uint8Array.of(0x67)

async function cycle() {
  try {
    const connection = await client.connect(server.addr, ALPN)
    const answer = await connection.request(byte)
    if (answer.length !== 1) throw new Error(`${answer.length} bytes came back, not 1`)
    connection.close()
  } catch (error) {
    if (failures++ === 0) console.error('first failure:', error)
  }
}

async function until(end) {
  const lane = async () => {
    while (started < end) {
      started++
      await cycle()
    }
  }
  await Promise.all(Array.from({ length: Number(values.lanes) }, lane))
}

/** The last closes reach the server a moment later; what is still open after a minute is a find. */
async function settled() {
  const end = performance.now() + 60_000
  while (server.metrics().quic_connections_open > 0 && performance.now() < end) await new Promise((resolve) => setImmediate(resolve))
}

const begun = performance.now()
const samples = [sample(0)]
for (let end = perSample; started < cycles; end += perSample) {
  await until(Math.min(end, cycles))
  await settled()
  const reading = sample(started)
  samples.push(reading)
  if (!values.json) {
    const mib = (bytes) => (bytes / 2 ** 20).toFixed(1)
    const { rssBytes: rss, heapBytes: heap, handles: counts } = reading
    console.log(`${started} cycles: ${mib(rss)} MiB resident, ${mib(heap)} MiB heap, handles ${JSON.stringify(counts)}`)
  }
}
const seconds = (performance.now() - begun) / 1e3

// The first half fills caches (tickets, tokens, JIT); what the second half adds goes on for ever.
const late = samples.slice(samples.length >> 1)
const result = {
  cycles: started,
  seconds,
  failures,
  slopeBytesPerCycle: slope(late, (it) => it.rssBytes),
  slopeHeapBytesPerCycle: slope(late, (it) => it.heapBytes),
  growth: { rssBytes: late.at(-1).rssBytes - late[0].rssBytes, cycles: late.at(-1).cycles - late[0].cycles },
  samples,
}
await router.shutdown()
await client.close()
result.handlesAfterClose = handles()

if (values.json) console.log(JSON.stringify(result))
else {
  console.log(
    `${started} cycles in ${seconds.toFixed(1)} s, ${failures} failed; second half: ` +
      `${result.slopeBytesPerCycle.toFixed(1)} B resident and ${result.slopeHeapBytesPerCycle.toFixed(1)} B heap a cycle; ` +
      `after close ${JSON.stringify(result.handlesAfterClose)}`,
  )
}
process.exitCode = failures === 0 ? 0 : 1
