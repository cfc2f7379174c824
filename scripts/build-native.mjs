// `npm run build:native [-- --target <rust triple>]`: builds crates/node and lays `gaiwan.<triple>.node` and `index.d.ts` at the top.
// The quick build of this machine, with its own linker and glibc. What is published for other systems than Windows comes from build-all.mjs.
import { Built, fingerprint } from './lib/fingerprint.mjs'
import { bin, isMain, main, must, requireRust, StepFailed, say } from './lib/steps.mjs'
import { hostTarget, targets } from './lib/targets.mjs'

const INPUTS = ['Cargo.toml', 'Cargo.lock', '.cargo', 'rust-toolchain.toml', 'crates']

/** The addon of one target as a thing that can be stale. */
export function nativeAddon(target) {
  return new Built({ stamp: `.setup/native-${target.triple}`, inputs: INPUTS, outputs: [target.file, 'index.d.ts'] })
}

/** The target of this machine; throws one line where there is none. */
export function requireTarget() {
  const target = hostTarget()
  if (!target) throw new StepFailed(`there is no target for ${process.platform} ${process.arch}; see CONTRIBUTING.md for the list.`)
  return target
}

/** What cargo needs to know for a target that is not this machine's. The other processor of Windows needs no more on Windows, and xwin elsewhere. */
function crossing(target) {
  if (target.triple === hostTarget()?.triple) return []
  if (target.os !== 'win32') throw new StepFailed(`${target.triple} is built by "npm run build:all -- ${target.triple}"`)
  return ['--target', target.rust, ...(process.platform === 'win32' ? [] : ['--cross-compile'])]
}

/** Builds the addon of `target`: this machine's, or one for Windows. */
export async function buildNative(target) {
  const crossed = crossing(target)
  requireRust()
  say(`building the native addon for ${target.triple} (a first build takes some minutes)`)
  const print = fingerprint(INPUTS)
  const layout = ['--manifest-path', 'crates/node/Cargo.toml', '--package-json-path', 'package.json', '--output-dir', '.']
  const args = [bin('@napi-rs/cli', 'napi'), 'build', '--platform', '--release', ...layout, '--no-js', '--dts', 'index.d.ts', ...crossed]
  await must('the native build', process.execPath, [...args, '--', '--locked'])
  nativeAddon(target).mark(print)
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const at = process.argv.indexOf('--target')
    const rust = at > 0 ? process.argv[at + 1] : undefined
    const target = rust ? targets.find((one) => one.rust === rust) : requireTarget()
    if (!target) throw new StepFailed(`unknown target ${rust}; known are ${targets.map((one) => one.rust).join(', ')}`)
    await buildNative(target)
  })
}
