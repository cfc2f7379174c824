// What is packed: once a run, by `npm pack` itself and by the release script.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { npm } from '../../scripts/lib/steps.mjs'
import { hostTarget } from '../../scripts/lib/targets.mjs'
import { mainManifest } from '../../scripts/manifests.mjs'
import { runNode, top } from './folders.js'

export const manifest = mainManifest()
export const host = hostTarget()!

/** A folder that goes when this process ends. */
function shared(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'gaiwan-packed-')))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Packs the package in `from` into `to` and answers the path of the tarball; its lifecycle scripts run, as they do for whoever releases. */
export function pack(from: string, to: string): string {
  const [command, first] = npm() as [string, string[]]
  const args = [...first, 'pack', '--json', '--loglevel=error', '--pack-destination', to]
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: from, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm pack: ${stderr}${stdout}`)
  return join(to, (JSON.parse(stdout) as [{ filename: string }])[0].filename)
}

let main: string | undefined

/** What `npm pack` at the top makes. `npm run test:package` names one that it made for all spec files. */
export function tarball(): string {
  main ??= process.env['GAIWAN_TARBALL'] ?? pack(top, shared())
  return main
}

/** What would be published: the main package, and that of this machine's platform, slim or with prebuilds/. */
export function release(...options: string[]): { main: string; platform: string } {
  const out = shared()
  for (const args of [
    ['scripts/prebuilds.mjs', '--reuse', '--out', out],
    ['scripts/release.mjs', '--out', out, ...options],
  ]) {
    const { status, stderr } = runNode(top, args)
    if (status !== 0) throw new Error(stderr)
  }
  const staged = join(out, 'build/stage')
  return { main: pack(join(staged, manifest.name), out), platform: pack(join(staged, host.triple), out) }
}

/** The paths in a tarball and their sizes. */
export function contents(file: string): Map<string, number> {
  const { stdout } = spawnSync('tar', ['-tvzf', file], { encoding: 'utf8' })
  const rows = stdout.split('\n').filter((line) => line.startsWith('-'))
  return new Map(rows.map((row) => /^\S+ +\S+ +(\d+) .*? package\/(.*)$/.exec(row)!).map(([, size, path]) => [path!, Number(size)]))
}
