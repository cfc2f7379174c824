/** Gossip among many nodes in memory, by seed: `bench/swarm`. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SIZES = [20, 100, 1_000]
const SEEDS = [1, 2]
/** What the reference's own simulator gave for the same latencies: copies too many, hops, ms to the last node. */
const REFERENCE = {
  20: { one: '0.14, 3, 74-88', changing: '0.33-0.48, 5-6, 155-173' },
  100: { one: '0.09, 5-7, 169-184', changing: '0.42-0.45, 10, 300' },
  1000: { one: '0.08, 11, 265-275', changing: '0.40-0.53, 18, 520-542', 'after 30 % vanished': '0.5, 18-19, 505-546' },
}

/** @returns {object[]} a line of `gaiwan-bench-swarm` for each pattern, size and seed */
export function simulate({ quick }) {
  const args = ['run', '--release', '--locked', '--quiet', '-p', 'gaiwan-bench-swarm', '--']
  const lines = []
  for (const nodes of SIZES) {
    for (const seed of SEEDS) {
      const flags = ['--nodes', `${nodes}`, '--seed', `${seed}`, '--rounds', quick ? '5' : '30']
      const { status, stdout } = spawnSync('cargo', [...args, ...flags], {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'inherit'],
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(`the simulation of ${nodes} nodes ended with ${status}`)
      for (const line of stdout.trim().split('\n')) lines.push(JSON.parse(line))
    }
  }
  return lines
}

/** The same as text, the reference's figures beside. */
export function simulationTable(lines) {
  const head = '| nodes | broadcasts | seed | copies too many | hops | ms to the last | missed a round | reference: copies, hops, ms |'
  const rows = lines.map(
    ({ nodes, pattern, seed, redundancy, hops, lastMs, missed }) =>
      `| ${nodes} | ${pattern} | ${seed} | ${redundancy.toFixed(2)} | ${hops.toFixed(1)} | ${lastMs.toFixed(0)} | ${missed.toFixed(2)} | ${REFERENCE[nodes][pattern] ?? ''} |`,
  )
  return [head, '|---|---|---|---|---|---|---|---|', ...rows].join('\n')
}
