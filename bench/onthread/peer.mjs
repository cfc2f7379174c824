/** One process with QUIC on its JavaScript thread; speaks the lines of `../harness.mjs`, so its partner may be of another kind. */
import { parseArgs } from 'node:util'
import { Gate, inLanes, lines, print, rssBytes } from '../harness.mjs'
import { word } from '../w1-stream.mjs'
import { Counted } from './counted.mjs'
import { OnThreadEndpoint } from './endpoint.mjs'

/** Bytes of a request and of its answer, of a write, and before the clock of W1 starts: as in `../w2-request.mjs` and `../w1-stream.mjs`. */
const BODY = 100
const WARM_SECONDS = 0.5
const BLOCK = 64 * 1024
const WARM_BYTES = 16 * 2 ** 20
/** Asks how long the one-way stream was, once it has ended. */
const COUNT = new Uint8Array(0)

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workload: { type: 'string', default: 'w2' },
    to: { type: 'string' },
    id: { type: 'string' },
    bytes: { type: 'string', default: String(2 ** 30) },
    seconds: { type: 'string', default: '3' },
    'in-flight': { type: 'string', default: '1' },
    'look-us': { type: 'string', default: '0' },
    direct: { type: 'boolean', default: false },
  },
})
const options = { alpn: `gaiwan-bench/${values.workload}`, lookUs: Number(values['look-us']), direct: values.direct }

if (positionals[0] === 'server') await serve()
else await dial()

async function serve() {
  const counted = new Counted()
  const endpoint = new OnThreadEndpoint({
    ...options,
    serve: (body) => (body.length === 0 ? counted.next() : body),
    sink: (chunk) => counted.add(chunk),
  })
  print({ event: 'ready', id: endpoint.id, address: endpoint.address })
  for await (const line of lines()) {
    if (line !== 'usage') throw new Error(`unknown line ${line}`)
    const { user, system } = process.cpuUsage()
    print({ event: 'usage', cpuSeconds: (user + system) / 1e6, rssBytes: rssBytes() })
  }
  endpoint.close()
}

async function dial() {
  const endpoint = new OnThreadEndpoint(options)
  await endpoint.connect(values.to, values.id)
  await (values.workload === 'w1' ? stream : requests)(endpoint, new Gate())
  endpoint.close()
  process.stdin.destroy()
}

/** As W2 in `../w2-request.mjs`. */
async function requests(endpoint, gate) {
  const lanes = Number(values['in-flight'])
  const body = new Uint8Array(BODY).fill(0x67)
  const step = async () => {
    const answer = await endpoint.request(body)
    if (answer.length !== BODY) throw new Error(`${answer.length} bytes came back, not ${BODY}`)
  }
  await inLanes(lanes, WARM_SECONDS, step)
  const run = await gate.ready()
  await gate.result(run, await inLanes(lanes, Number(values.seconds), step))
}

/** As W1 in `../w1-stream.mjs`, but the count is the answer to a request. */
async function stream(endpoint, gate) {
  await sendCounted(endpoint, WARM_BYTES)
  const run = await gate.ready()
  const bytes = Number(values.bytes)
  const [sentBefore, lostBefore] = endpoint.stats()
  const begun = performance.now()
  await sendCounted(endpoint, bytes)
  const perSecond = (bytes / (performance.now() - begun)) * 1e3
  const [sent, lost] = endpoint.stats()
  await gate.result(run, { bytes, perSecond, packets: sent - sentBefore, lost: lost - lostBefore })
}

async function sendCounted(endpoint, bytes) {
  const block = new Uint8Array(BLOCK).fill(0x67)
  const stream = endpoint.open()
  for (let left = bytes; left > 0; left -= BLOCK) {
    await endpoint.write(stream, left < BLOCK ? block.subarray(0, left) : block, left <= BLOCK)
  }
  const counted = word(await endpoint.request(COUNT), 0)
  if (counted !== bytes) throw new Error(`the receiver counted ${counted}, not ${bytes}`)
}
