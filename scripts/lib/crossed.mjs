// The addons that are made to be published: each by zig, so that a glibc one asks for an old glibc also where it was built on a new
// one. They lie in build/native/<triple>/ with stamps of their own, apart from `gaiwan.<triple>.node` at the top, the quick build
// of this machine, which asks for the glibc of this machine.
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Built, fingerprint } from './fingerprint.mjs'
import { must, root, StepFailed } from './steps.mjs'
import { requireZig } from './zig.mjs'

const INPUTS = ['Cargo.toml', 'Cargo.lock', '.cargo', 'rust-toolchain.toml', 'crates', 'scripts/zig-requirements.txt']

/** Where the published addon of a target lies once it is built, relative to the top. */
function place({ triple, file }) {
  return `build/native/${triple}/${file}`
}

/** The published addon of a target as a thing that can be stale. */
export function crossedAddon(target) {
  return new Built({ stamp: `.setup/crossed-${target.triple}`, inputs: INPUTS, outputs: [place(target)] })
}

/** The addon of a target that needs no build: the published one of the present sources, else what lies at the top; null when neither. */
export function readyAddon(target) {
  const top = join(root, target.file)
  if (crossedAddon(target).fresh) return join(root, place(target))
  return existsSync(top) ? top : null
}

/**
 * Builds the addon of `target` with zig, whatever this machine is.
 *
 * @param std where its standard library comes from, as `standardLibrary` answers
 * @throws {StepFailed} also when the sources changed meanwhile: what was built is then of neither state.
 */
export async function buildCrossed(target, std) {
  const zig = await requireZig()
  const print = fingerprint(INPUTS)
  // With no version, zig takes the glibc of the day; and cargo-zigbuild leaves zig out for the target of this machine.
  const rust = target.glibc ? `${target.rust}.${target.glibc}` : target.rust
  // A musl target is linked statically unless told otherwise, and then nothing can load the addon.
  const flags = target.libc === 'musl' ? ['--config', `target.${target.rust}.rustflags=["-C","target-feature=-crt-static"]`] : []
  const args = ['zigbuild', '--release', '--locked', '--package', 'gaiwan-node', '--target', rust, ...std.args, ...flags]
  const apple = target.macos ? { MACOSX_DEPLOYMENT_TARGET: target.macos } : {}
  await must(`the build of ${target.triple}`, zig.command, args, { env: { ...zig.env, ...std.env, ...apple } })
  const library = `libgaiwan_node.${target.os === 'darwin' ? 'dylib' : 'so'}`
  const built = join(resolve(root, process.env.CARGO_TARGET_DIR ?? 'target'), target.rust, 'release', library)
  if (!existsSync(built)) throw new StepFailed(`cargo left no ${built}`)
  if (fingerprint(INPUTS) !== print) throw new StepFailed('its sources changed while it was built')
  mkdirSync(join(root, 'build/native', target.triple), { recursive: true })
  copyFileSync(built, join(root, place(target)))
  crossedAddon(target).mark(print)
}
