/** `npm run bench -- --only onthread`: QUIC on the JavaScript thread, next to the Rust pair and to what ships. Linux only. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { basePair, gaiwanPair, measure } from '../processes.mjs'

const SELF = [process.execPath, 'bench/onthread/peer.mjs']
const BUSY = ['--import', './bench/onthread/busy.mjs']

/**
 * @param {{quick: boolean}} options
 * @param {string} binary of the Rust pair
 * @param {string[]} baseFlags
 * @returns {import('../cases.mjs').Case[]}
 */
export function onThreadCases({ quick }, binary, baseFlags) {
  buildOnThread()
  const size = quick ? 2 ** 28 : 2 ** 30
  const bytes = ['--bytes', String(size)]
  const one = (id, workload, flags, pair, base, measures) => ({
    id,
    workload: 'onthread',
    flags,
    base,
    run: { base: () => measure(basePair(binary, workload, flags, baseFlags)), gaiwan: () => measure(pair) },
    measures: measures.map(([suffix, unit, value]) => ({ ...SHOWN, id: `${id}${suffix}`, label: label(id, suffix), unit, value })),
  })
  const requests = (inFlight) => {
    const flags = ['--seconds', quick ? '1' : '3', '--in-flight', String(inFlight)]
    const own = (...both) => onThreadPair('w2', flags, both)
    const shipped = gaiwanPair('w2', flags)
    const looking = own('--look-us', '60')
    const pairs = {
      '': own(),
      '-look20': own('--look-us', '20'),
      '-look60': looking,
      '-direct60': own('--look-us', '60', '--direct'),
      '-client': { ...shipped, client: looking.client },
      '-server': { ...shipped, server: looking.server },
      '-shipped': shipped,
    }
    const id = `ot-x${inFlight}`
    return Object.entries(pairs).map(([name, pair]) => one(`${id}${name}`, 'w2', flags, pair, id, REQUESTS))
  }
  const streams = [
    ['ot-w1', onThreadPair('w1', bytes)],
    ['ot-w1-shipped', gaiwanPair('w1', bytes)],
    ['ot-w1-busy', busy(onThreadPair('w1', bytes))],
    ['ot-w1-busy-shipped', busy(gaiwanPair('w1', bytes))],
  ]
  // What a busy receiver computes is CPU time, too, so only its speed says something.
  const figures = (id) => (id.includes('busy') ? STREAM.slice(0, 1) : STREAM)
  return [...requests(1), ...requests(64), ...streams.map(([id, pair]) => one(id, 'w1', bytes, pair, 'ot-w1', figures(id)))]
}

/** Nothing here has a target. */
const SHOWN = { target: null, sense: 'atLeast' }
const REQUESTS = [
  ['', '1/s', ({ figures }) => figures.perSecond],
  ['-cpu', 'us', ({ figures, cpuSeconds }) => (cpuSeconds * 1e6) / figures.count],
]
const STREAM = [
  ['', 'MB/s', ({ figures }) => figures.perSecond / 1e6],
  ['-cpu', 's/GiB', ({ figures, cpuSeconds }) => cpuSeconds / (figures.bytes / 2 ** 30)],
]
/** What the parts of an id say; without any, both ends are on the thread and it sleeps when there is nothing to do. */
const WORDS = {
  x1: '1 in flight',
  x64: '64 in flight',
  w1: 'W1',
  look20: 'looks 20 us',
  look60: 'looks 60 us',
  direct60: 'looks 60 us at the socket',
  client: 'client looks 60 us, server ships',
  server: 'server looks 60 us, client ships',
  busy: 'receiver busy',
  shipped: 'what ships',
  cpu: 'CPU',
}

function label(id, suffix) {
  const parts = `${id}${suffix}`.split('-').slice(1)
  return parts.map((part) => WORDS[part]).join(', ')
}

function onThreadPair(workload, flags, both = []) {
  const line = (role) => [...SELF, role, '--workload', workload, ...both]
  return { name: `onthread ${workload}`, server: line('server'), client: [...line('client'), ...flags] }
}

/** The same pair, whose server's thread computes half of the time. */
function busy({ server: [node, ...rest], ...pair }) {
  return { ...pair, server: [node, ...BUSY, ...rest] }
}

function buildOnThread() {
  if (process.platform !== 'linux') throw new Error('onthread is for Linux')
  const manifest = fileURLToPath(new URL('Cargo.toml', import.meta.url))
  const cargo = spawnSync('cargo', ['build', '--release', '--locked', '--manifest-path', manifest], { stdio: 'inherit' })
  if (cargo.status !== 0) throw new Error('cargo build of bench/onthread failed')
}
