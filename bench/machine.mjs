/** Names the machine and the versions that a result belongs to. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'

const fromRoot = (path) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

/** A system setting, null where there is none. */
function setting(path) {
  try {
    return Number(readFileSync(path, 'latin1'))
  } catch {
    return null
  }
}

/** Versions of the crates that decide the figures, from Cargo.lock; a crate that is there twice has both. */
function crates(names) {
  const found = [...fromRoot('Cargo.lock').matchAll(/name = "(.+)"\nversion = "(.+)"/g)]
  return Object.fromEntries(
    names.map((name) => [
      name,
      found
        .filter(([, it]) => it === name)
        .map(([, , version]) => version)
        .join(', '),
    ]),
  )
}

/**
 * @returns {object} `machine`: processors, memory, system, socket limits and load; `versions`: node, rustc, gaiwan, crates
 */
export function describe() {
  const cpus = os.cpus()
  return {
    machine: {
      cpu: cpus[0]?.model.trim() ?? 'unknown',
      cpus: os.availableParallelism(),
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      system: `${os.type()} ${os.release()} ${os.arch()}`,
      udpReadLimitBytes: setting('/proc/sys/net/core/rmem_max'),
      loadAverage: os.loadavg()[0],
    },
    versions: {
      node: process.versions.node,
      v8: process.versions.v8,
      rustc: execFileSync('rustc', ['--version'], { encoding: 'utf8' }).trim(),
      gaiwan: JSON.parse(fromRoot('package.json')).version,
      ...crates(['quinn', 'quinn-proto', 'quinn-udp', 'rustls', 'ring', 'tokio', 'napi']),
    },
  }
}
