// `npm run build:all [-- --json] [triple …]`: builds the addons that are published, each once, and lays each out twice.
// What this machine cannot build gets a line that says why; --json makes the last line the table as JSON.
// An addon whose sources did not change is not built again.
// Status 1: a target that was asked for by name, or that zig can build, is not there or does not keep what it promises.
import { parseArgs } from 'node:util'
import { describeAddon, faults } from './lib/addon.mjs'
import { buildCrossed, crossedAddon, readyAddon } from './lib/crossed.mjs'
import { standardLibrary } from './lib/rust-std.mjs'
import { main, requireRust, StepFailed, say } from './lib/steps.mjs'
import { targets } from './lib/targets.mjs'
import { layOut } from './prebuilds.mjs'

/** Builds `target` unless it is there; answers a row of the table, in which `why` says why there is no addon to publish. */
async function produce(target) {
  const row = { target: target.triple, built: false, std: null, seconds: null }
  if (target.elsewhere) return { ...row, why: target.elsewhere }
  const begin = performance.now()
  if (!crossedAddon(target).fresh) {
    const std = standardLibrary(target.rust)
    if (std.lacking) return { ...row, why: std.lacking }
    const note = std.from === 'build-std' ? ', its standard library compiled from source with RUSTC_BOOTSTRAP=1' : ''
    say(`building ${target.triple}${note} (some minutes)`)
    await buildCrossed(target, std)
    row.std = std.from
    row.seconds = Math.round((performance.now() - begin) / 1000)
  }
  const found = describeAddon(readyAddon(target))
  const wrong = faults(target, found)
  if (wrong.length) return { ...row, ...found, why: wrong.join('; ') }
  await layOut(target, { reuse: true })
  return { ...row, ...found, built: true }
}

/** As `produce`; what goes wrong is a row too, so that one target does not take the others with it. */
async function attempt(target) {
  try {
    return await produce(target)
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    return { target: target.triple, built: false, why: error.message }
  }
}

function table(rows) {
  const cells = rows.map(({ target, built, bytes, glibc, macos, sha256, std, seconds, why }) => [
    target,
    bytes ? `${(bytes / 1e6).toFixed(2)} MB` : '-',
    glibc ? `glibc ${glibc}` : macos ? `macOS ${macos}` : '-',
    sha256?.slice(0, 16) ?? '-',
    built ? (seconds === null ? 'built before' : `built in ${seconds} s, std: ${std}`) : `not built: ${why}`,
  ])
  const all = [['target', 'size', 'asks for', 'sha256', 'result'], ...cells]
  const widths = all[0].map((_, n) => Math.max(...all.map((row) => row[n].length)))
  return all.map((row) =>
    row
      .map((cell, n) => cell.padEnd(widths[n]))
      .join('  ')
      .trimEnd(),
  )
}

await main(async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' } } })
  const wanted = positionals.length ? positionals.map((name) => targets.find(({ triple }) => triple === name)) : targets
  if (wanted.includes(undefined)) throw new StepFailed(`known triples are ${targets.map(({ triple }) => triple).join(', ')}`)
  requireRust()
  const rows = []
  for (const target of wanted) rows.push(await attempt(target))
  console.log(values.json ? JSON.stringify(rows) : table(rows).join('\n'))
  const missing = wanted.filter((target, n) => !rows[n].built && (positionals.length || !target.elsewhere))
  return missing.length ? 1 : 0
})
