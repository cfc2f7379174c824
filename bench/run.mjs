/**
 * `npm run bench`: measures gaiwan next to plain quinn, two processes each on loopback, and prints the ratios.
 * See README.md beside this file for what the figures mean.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { automergeCases } from './automerge/cases.mjs'
import { blobCases } from './blobs/cases.mjs'
import { hasReference } from './blobs/pair.mjs'
import { cases, choose } from './cases.mjs'
import { gossipCases } from './gossip/cases.mjs'
import { simulate, simulationTable } from './gossip/swarm.mjs'
import { describe } from './machine.mjs'
import { onThreadCases } from './onthread/cases.mjs'
import { basePair, buildBase, gaiwanPair, measure } from './processes.mjs'
import { row, table } from './report.mjs'
import { rpcCases } from './rpc/cases.mjs'

const USAGE = `usage: npm run bench -- [--runs N] [--only w1,w2x64,…] [--quick] [--json FILE]
                     [--mib N] [--base-workers N | --base-current-thread] [--workers N]
  --runs N               repetitions, each case of both pairs once in each [5, with --quick 1]
  --only LIST            workloads (w1 to w6, rpc, blobs, automerge, swarm) or single cases (w1, w2x1, w2x64, w2s1, w2s64, w3x1, w3x16, w4, w5, w6,
                         b1, b1r, b1w1, b2, b2r, b3, b4r, b4c, rpc-unary, rpc-parallel, rpc-stream, rpc-bidi, rpc-mebibyte, rpc-grpc,
                         rpc-encode, rpc-decode, rpc-local, a1, a2); and, only when named, the experiment onthread
  --mib N                size of the large blob [1024, with --quick 128]
  --quick                short runs, for a look
  --json FILE            where the result goes [bench/results/<time>.json]
  --base-workers N       threads of the base's runtime [2]
  --base-current-thread  the base on a current-thread runtime
  --workers N            threads of gaiwan's runtime [its default]`

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    mib: { type: 'string' },
    'base-workers': { type: 'string' },
    'base-current-thread': { type: 'boolean', default: false },
    workers: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) console.log(USAGE)
else {
  try {
    await bench()
  } catch (error) {
    console.error(`bench: ${error.message}`)
    process.exitCode = 1
  }
}

async function bench() {
  const runs = Number(values.runs ?? (values.quick ? 1 : 5))
  if (!Number.isInteger(runs) || runs < 1) throw new RangeError(`--runs ${values.runs}: a whole number from 1`)
  if (!existsSync(new URL('../dist/index.js', import.meta.url))) throw new Error('gaiwan is not built: npm run build')
  const names = values.only?.split(',')
  // Documents have a base of their own.
  const binary = names?.every((name) => /^(automerge|a\d)$/.test(name)) ? '' : buildBase()
  const swarms = names === undefined || names.includes('swarm')
  const others = names?.filter((name) => name !== 'swarm').join(',')
  const all = [...cases(values), ...gossipCases(values), ...rpcCases(values), ...blobCases(values, binary), ...automergeCases(values)]
  // Not a part of gaiwan, so nobody else builds it.
  if (names?.some((name) => /^(onthread|ot-)/.test(name))) all.push(...onThreadCases(values, binary, baseFlags()))
  const chosen = others === '' ? [] : choose(all, others)
  if (chosen.some(({ id }) => /^(w6|b[12]r?|rpc-(unary|parallel|stream|bidi|mebibyte))$/.test(id)) && !hasReference())
    throw new Error('the reference is not built: npm run build:interop')
  const about = describe()
  console.log(heading(about, runs))

  const base = new Map(chosen.map(({ id }) => [id, []]))
  const gaiwan = new Map(chosen.map(({ id }) => [id, []]))
  for (let run = 0; run < runs; run++) {
    for (const it of chosen) {
      const pairs = [
        // A case that shares its base runs with another has them from there, unless only this one is measured.
        () => shared(it, base, run) ?? it.run?.base() ?? measure(basePair(binary, it.workload, it.flags, baseFlags())),
        () => it.run?.gaiwan() ?? measure(gaiwanPair(it.workload, it.flags, [...(it.gaiwanFlags ?? []), ...gaiwanFlags()])),
      ]
      // The pairs take turns in going first, so that a machine that warms up or slows down favours neither.
      const first = run % 2
      const results = []
      for (const which of [first, 1 - first]) results[which] = await pairs[which]()
      base.get(it.id).push(results[0])
      gaiwan.get(it.id).push(results[1])
      if (process.stderr.isTTY) process.stderr.write(`run ${run + 1} of ${runs}: ${it.id}    \r`)
    }
  }

  const rows = chosen.flatMap((it) => it.measures.map((one) => row(one, base.get(it.id), gaiwan.get(it.id))))
  if (rows.length > 0) console.log(`\n${table(rows)}\n`)
  const swarm = swarms ? await printSwarms() : undefined
  const raw = chosen.map(({ id, flags }) => ({ id, flags, base: base.get(id), gaiwan: gaiwan.get(id) }))
  const settings = { runs, quick: values.quick, baseFlags: baseFlags(), gaiwanFlags: gaiwanFlags() }
  console.log(`Written to ${save({ date: new Date().toISOString(), ...about, settings, rows, raw, swarm })}`)
}

/** Gossip among many; gives what it prints. */
async function printSwarms() {
  const simulated = simulate(values)
  console.log(`Gossip in memory, 10-50 ms a link, means of a pattern's broadcasts:\n\n${simulationTable(simulated)}\n`)
  const { swarm } = await import('./gossip/endpoints.mjs')
  const real = await swarm({ endpoints: 50, messages: values.quick ? 100 : 1_000 })
  for (const { nodes, pattern, rounds, rmr, ldh, ms, missed } of real)
    console.log(
      `${nodes} endpoints in one process (${pattern}): ${rounds} broadcasts, ${missed.toFixed(2)} missed a round, ` +
        `${rmr.toFixed(2)} copies too many, ${ldh.toFixed(1)} hops, ${ms.toFixed(1)} ms to the last`,
    )
  console.log()
  return { simulated, real }
}

function shared({ base: id }, base, run) {
  return id === undefined ? undefined : base.get(id)?.[run]
}

function baseFlags() {
  if (values['base-current-thread']) return ['--current-thread']
  return ['--workers', values['base-workers'] ?? '2']
}

function gaiwanFlags() {
  return values.workers === undefined ? [] : ['--workers', values.workers]
}

function heading({ machine, versions }, runs) {
  const { node, rustc, gaiwan, quinn, rustls, tokio, napi } = versions
  const lines = [
    `gaiwan ${gaiwan} <-> gaiwan against quinn <-> quinn (${baseFlags().join(' ')}), two processes each, on loopback`,
    `${machine.cpu}, ${machine.cpus} CPUs, ${machine.memoryGiB} GiB, ${machine.system}`,
    `node ${node}, ${rustc}, quinn ${quinn}, rustls ${rustls}, tokio ${tokio}, napi ${napi}`,
    `${values.quick ? 'quick: short runs, not for claims; ' : ''}medians of ${runs}; ratio: gaiwan / base of the same repetition`,
  ]
  if (machine.loadAverage > 0.5) {
    lines.push(`The machine is not idle (load ${machine.loadAverage.toFixed(2)}): trust the ratios, not the figures.`)
  }
  return lines.join('\n')
}

/** Writes the result; gives the path. */
function save(result) {
  const time = result.date.slice(0, 19).replaceAll(':', '-')
  const path = values.json ?? fileURLToPath(new URL(`results/${time}.json`, import.meta.url))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`)
  return path
}
