// `npm run prebuilds [-- --reuse] [triple …]`: each target is built once and laid out twice, for prebuildify's way of loading
// (prebuilds/<platform>-<arch>/) and for napi's (npm/<triple>/). Without a triple: this machine's target.
// --reuse takes what lies ready: the addon that `npm run build:all` made of the present sources, else `gaiwan.<triple>.node` at the
// top as it is, which is how a release collects what other machines built.
// --out FOLDER lays out there instead of at the top; the tests do, so that they leave nothing behind.
// (npm runs a script called `prebuild` before every `build` by itself, hence the plural.)
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { requireTarget } from './build-native.mjs'
import { readyAddon } from './lib/crossed.mjs'
import { bin, isMain, main, must, root, StepFailed, say } from './lib/steps.mjs'
import { targets } from './lib/targets.mjs'

/** Builds or reuses the addon of one target and lays it out in both ways beneath `out`. */
export async function layOut(target, { reuse = false, out = root } = {}) {
  const env = {
    PREBUILD_NODE_GYP: join(root, 'scripts/cargo-gyp.mjs'),
    PREBUILD_LIBC: target.libc ?? '',
    GAIWAN_ADDON: (reuse && readyAddon(target)) || '',
  }
  const tags = [...(target.armv ? ['--tag-armv', target.armv] : []), ...(target.libc ? ['--tag-libc', target.libc] : [])]
  const system = ['--platform', target.os, '--arch', target.cpu, ...tags]
  // A folder for this run alone: nobody else's is taken or removed with it, and node-gyp-build, which prefers build/Release over
  // prebuilds/, finds none.
  mkdirSync(join(out, 'build'), { recursive: true })
  const cwd = mkdtempSync(join(out, 'build/prebuild-'))
  const args = [bin('prebuildify'), '--napi', '--name', 'gaiwan', '--cwd', cwd, '--out', out, ...system]
  try {
    await must(`prebuildify for ${target.triple}`, process.execPath, args, { env })
  } finally {
    rmSync(cwd, { recursive: true, force: true })
  }
  mkdirSync(join(out, 'npm', target.triple), { recursive: true })
  copyFileSync(join(out, target.prebuild), join(out, 'npm', target.triple, target.file))
  say(`laid out ${target.prebuild} and npm/${target.triple}/${target.file}`)
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { reuse: { type: 'boolean', default: false }, out: { type: 'string', default: root } },
    })
    const wanted = positionals.length ? positionals.map((name) => targets.find(({ triple }) => triple === name)) : [requireTarget()]
    if (wanted.includes(undefined)) throw new StepFailed(`known triples are ${targets.map(({ triple }) => triple).join(', ')}`)
    for (const target of wanted) await layOut(target, values)
  })
}
