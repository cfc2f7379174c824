/**
 * One process of a JavaScript pair: the roles, their command line, and the lines to the parent that drives them.
 * `bench/pair` speaks the same lines and the same ALPNs, so one side can be changed for its Rust counterpart.
 *
 * A workload file calls `peer(workload)`; then `node bench/w1-stream.mjs server` accepts, `… client --to A --id I`
 * dials, and with no role it measures one pair of itself.
 */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

/**
 * @typedef {object} Settings
 * @property {number} bytes W1: bytes of the stream
 * @property {number} seconds W2, W3, W5: how long to go on
 * @property {number} inFlight W2, W3: lanes, each with one request or dial under way
 * @property {number} connections W4: connections to hold
 * @property {boolean} streams W2: stream primitives on both sides in place of `request` and `serve`
 *
 * @typedef {object} Workload
 * @property {string} name 'w1' to 'w5'; the ALPN is `gaiwan-bench/<name>`
 * @property {(connection: import('gaiwan').Connection, settings: Settings) => Promise<void>} serve the accepting side
 * @property {(dialer: Dialer, gate: Gate, settings: Settings) => Promise<void>} run the dialing side
 */

/** Dials one server; each dial is a full handshake, since that server gives no session tickets. */
export class Dialer {
  #endpoint
  #to
  #alpn
  constructor(endpoint, to, alpn) {
    this.#endpoint = endpoint
    this.#to = to
    this.#alpn = alpn
  }

  /** @returns {Promise<import('gaiwan').Connection>} a new connection */
  connect() {
    return this.#endpoint.connect(this.#to, this.#alpn)
  }
}

/** The lines to the parent, at the dialing side. */
export class Gate {
  #lines = lines()

  /** Says that all is warm and waits for the word to go. */
  async ready() {
    print({ event: 'ready' })
    if (!(await this.#lines.next()).value) throw new Error('the parent left before the run')
    return { started: performance.now(), cpu: process.cpuUsage(), rss: rssBytes() }
  }

  /** Prints `figures` with what the run used, and holds until the parent has looked at the other side. */
  async result(run, figures) {
    const { user, system } = process.cpuUsage(run.cpu)
    print({
      event: 'result',
      seconds: (performance.now() - run.started) / 1e3,
      cpuSeconds: (user + system) / 1e6,
      rssGrowthBytes: rssBytes() - run.rss,
      figures,
    })
    await this.#lines.next()
  }
}

/** Milliseconds of many operations; grows without a copy for each. */
export class Durations {
  #values = new Float64Array(1 << 16)
  #count = 0

  add(ms) {
    if (this.#count === this.#values.length) {
      const longer = new Float64Array(this.#count * 2)
      longer.set(this.#values)
      this.#values = longer
    }
    this.#values[this.#count++] = ms
  }

  /** `{count, perSecond, p50Us, p99Us}` over `seconds`. */
  rate(seconds) {
    const sorted = this.#values.subarray(0, this.#count).sort()
    const at = (share) => (sorted.length ? sorted[Math.round((sorted.length - 1) * share)] * 1e3 : null)
    return { count: sorted.length, perSecond: sorted.length / seconds, p50Us: at(0.5), p99Us: at(0.99) }
  }
}

/**
 * Runs `lanes` lanes until `seconds` are over; each does `step` again and again.
 * @param {number} lanes
 * @param {number} seconds
 * @param {() => Promise<void>} step one operation
 * @returns {Promise<{count: number, perSecond: number, p50Us: number | null, p99Us: number | null}>}
 */
export async function inLanes(lanes, seconds, step) {
  const durations = new Durations()
  const begun = performance.now()
  const end = begun + seconds * 1e3
  const lane = async () => {
    let started = performance.now()
    while (started < end) {
      await step()
      const now = performance.now()
      durations.add(now - started)
      started = now
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return durations.rate((performance.now() - begun) / 1e3)
}

/** Resident bytes; the garbage is taken out first where node runs with `--expose-gc`, as it does for W4. */
export function rssBytes() {
  globalThis.gc?.()
  try {
    return Number(/^VmRSS:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024
  } catch {
    return process.memoryUsage.rss()
  }
}

/**
 * Plays the role that the command line names.
 * @param {Workload} workload
 */
export async function peer(workload) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      to: { type: 'string' },
      id: { type: 'string' },
      bytes: { type: 'string', default: String(2 ** 30) },
      seconds: { type: 'string', default: '3' },
      'in-flight': { type: 'string', default: '1' },
      connections: { type: 'string', default: '1000' },
      streams: { type: 'boolean', default: false },
      workers: { type: 'string' },
    },
  })
  const settings = {
    bytes: Number(values.bytes),
    seconds: Number(values.seconds),
    inFlight: Number(values['in-flight']),
    connections: Number(values.connections),
    streams: values.streams,
  }
  const role = positionals[0]
  if (role === undefined) {
    const { measureAlone } = await import('./processes.mjs')
    console.log(JSON.stringify(await measureAlone(workload.name, process.argv.slice(2)), null, 2))
    return
  }
  const { configureRuntime, Endpoint, Router } = await import('../dist/index.js')
  if (values.workers) configureRuntime({ workers: Number(values.workers) })
  const alpn = `gaiwan-bench/${workload.name}`
  if (role === 'server') await serve(await Endpoint.bind({ bind: '127.0.0.1:0', maxTlsTickets: 0 }), Router)
  else if (role === 'client') await dial(await Endpoint.bind({ bind: '127.0.0.1:0' }))
  else throw new Error(`the role is server or client, not ${role}`)

  async function serve(endpoint, Router) {
    endpoint.on('handlerError', (error) => console.error('server:', error))
    const router = Router.builder(endpoint)
      .accept(alpn, (connection) => workload.serve(connection, settings))
      .spawn()
    print({ event: 'ready', id: endpoint.id, address: endpoint.boundAddresses[0] })
    for await (const line of lines()) {
      if (line !== 'usage') throw new Error(`unknown line ${line}`)
      const { user, system } = process.cpuUsage()
      print({ event: 'usage', cpuSeconds: (user + system) / 1e6, rssBytes: rssBytes() })
    }
    await router.shutdown()
  }

  async function dial(endpoint) {
    const to = { id: values.id, addresses: [values.to] }
    await workload.run(new Dialer(endpoint, to, alpn), new Gate(), settings)
    await endpoint.close()
    process.stdin.destroy()
  }
}

/** The lines of stdin. */
export function lines() {
  return createInterface({ input: process.stdin })[Symbol.asyncIterator]()
}

/** One line to the parent. */
export function print(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
