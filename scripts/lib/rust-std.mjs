// Where the standard library of a target comes from: the toolchain has it, rustup brings it, or cargo compiles it from the sources
// in the toolchain (the component rust-src), which stable cargo does only when it is told that it is unstable.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ask, root } from './steps.mjs'

const RUSTUP_MS = 180_000

function inSysroot(sysroot, rust) {
  const folder = join(sysroot, 'lib/rustlib', rust, 'lib')
  return existsSync(folder) && readdirSync(folder).some((name) => /^libstd-.*\.rlib$/.test(name))
}

/**
 * @param {string} rust a target as cargo names it
 * @returns `{ from, args, env }`: a word for the table and what cargo needs; or `{ lacking }`: one line why there is none.
 */
export function standardLibrary(rust) {
  const sysroot = ask('rustc', ['--print', 'sysroot'])
  if (sysroot === null) return { lacking: 'rustc does not answer' }
  if (inSysroot(sysroot, rust)) return { from: 'toolchain', args: [], env: {} }
  spawnSync('rustup', ['target', 'add', rust], { cwd: root, stdio: 'ignore', timeout: RUSTUP_MS })
  if (inSysroot(sysroot, rust)) return { from: 'rustup', args: [], env: {} }
  if (!existsSync(join(sysroot, 'lib/rustlib/src/rust/library/Cargo.lock'))) {
    return { lacking: `there is no standard library: "rustup target add ${rust}" failed, and "rustup component add rust-src" was not run` }
  }
  return { from: 'build-std', args: ['-Z', 'build-std=std,panic_unwind'], env: { RUSTC_BOOTSTRAP: '1' } }
}
