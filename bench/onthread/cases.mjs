/** `npm run bench -- --only onthread`: QUIC on the JavaScript thread, next to the Rust pair and to what ships. Linux only. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { basePair, gaiwanPair, measure } from '../processes.mjs'

const SELF = [process.execPath, 'bench/onthread/peer.mjs']
const BUSY = ['--import', './bench/onthread/busy.mjs']
/** How long the runtime's thread of what ships looks for the next message (`crates/node/src/spin.rs`). */
const SHIPPED_LOOK_US = '60'

/**
 * @param {{quick: boolean}} options
 * @param {string} binary of the Rust pair
 * @param {string[]} baseFlags
 * @returns {import('../cases.mjs').Case[]}
 */
export function onThreadCases({ quick }, binary, baseFlags) {
  buildOnThread()
  const bytes = ['--bytes', String(quick ? 2 ** 28 : 2 ** 30)]
  const seconds = ['--seconds', quick ? '1' : '3']
  const base = (workload, flags) => () => measure(basePair(binary, workload, flags, baseFlags))
  return [1, 64]
    .flatMap((inFlight) => {
      const flags = [...seconds, '--in-flight', String(inFlight)]
      const row = (name, label, pair) => ({
        id: `ot-x${inFlight}${name}`,
        workload: 'onthread',
        flags,
        base: `ot-x${inFlight}`,
        run: { base: base('w2', flags), gaiwan: () => measure(pair) },
        measures: [perSecond(`ot-x${inFlight}${name}`, `${inFlight} in flight, ${label}`)],
      })
      const shipped = gaiwanPair('w2', flags)
      const own = (...both) => onThreadPair('w2', flags, both)
      return [
        row('', 'on the thread', own()),
        row('-look20', 'the same, looks 20 us, loop', own('--look-us', '20')),
        row('-look60', 'the same, looks 60 us, loop', own('--look-us', SHIPPED_LOOK_US)),
        row('-direct20', 'the same, looks 20 us, socket', own('--look-us', '20', '--direct')),
        row('-direct60', 'the same, looks 60 us, socket', own('--look-us', SHIPPED_LOOK_US, '--direct')),
        row('-client', 'client on the thread, server ships', { ...shipped, client: own().client }),
        row('-server', 'server on the thread, client ships', { ...shipped, server: own().server }),
        row('-shipped', 'what ships', shipped),
      ]
    })
    .concat([
      bulk('ot-w1', 'W1, on the thread', base('w1', bytes), onThreadPair('w1', bytes)),
      bulk('ot-w1-shipped', 'W1, what ships', base('w1', bytes), gaiwanPair('w1', bytes), 'ot-w1'),
      bulk('ot-busy', 'W1, receiver busy, on the thread', base('w1', bytes), busy(onThreadPair('w1', bytes)), 'ot-w1'),
      bulk('ot-busy-shipped', 'W1, receiver busy, what ships', base('w1', bytes), busy(gaiwanPair('w1', bytes)), 'ot-w1'),
    ])

  function bulk(id, label, baseRun, pair, shared = id) {
    const cpu = {
      ...perSecond(`${id}-cpu`, `${label}: CPU`, 's/GiB'),
      value: ({ cpuSeconds, figures }) => cpuSeconds / (figures.bytes / 2 ** 30),
    }
    return {
      id,
      workload: 'onthread',
      flags: bytes,
      base: shared,
      run: { base: baseRun, gaiwan: () => measure(pair) },
      measures: [{ ...perSecond(id, label, 'MB/s'), value: ({ figures }) => figures.perSecond / 1e6 }, cpu],
    }
  }
}

function perSecond(id, label, unit = '1/s') {
  return { id, label, unit, target: null, sense: 'atLeast', value: ({ figures }) => figures.perSecond }
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
  const manifest = fileURLToPath(new URL('Cargo.toml', import.meta.url))
  const cargo = spawnSync('cargo', ['build', '--release', '--locked', '--manifest-path', manifest], { stdio: 'inherit' })
  if (cargo.status !== 0) throw new Error('cargo build of bench/onthread failed')
}
