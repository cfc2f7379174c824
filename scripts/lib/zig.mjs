// The cross linker: zig and cargo-zigbuild, which come as Python wheels and need no compiler. Pinned with hashes in
// scripts/zig-requirements.txt and installed into build/zig, so that nothing outside the checkout changes.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask, must, root, StepFailed, say } from './steps.mjs'

const REQUIREMENTS = 'scripts/zig-requirements.txt'

/** The first Python that answers, or null. */
export function python() {
  return ['python3', 'python'].find((name) => /^Python 3\./.test(ask(name, ['--version']) ?? '')) ?? null
}

/**
 * Installs what is pinned unless it is there.
 *
 * @returns the path of cargo-zigbuild and the environment in which it finds zig.
 */
export async function requireZig() {
  const folder = join(root, 'build/zig')
  const stamp = join(folder, 'requirements.txt')
  const wanted = readFileSync(join(root, REQUIREMENTS), 'utf8')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    const command = python()
    if (!command) throw new StepFailed('Python 3 with pip is needed to install zig')
    say('installing zig and cargo-zigbuild into build/zig')
    rmSync(folder, { recursive: true, force: true })
    const how = ['--quiet', '--no-deps', '--only-binary', ':all:', '--require-hashes', '--disable-pip-version-check']
    await must('the installation of zig', command, ['-m', 'pip', 'install', ...how, '--target', folder, '-r', REQUIREMENTS])
    writeFileSync(stamp, wanted)
  }
  return { command: join(folder, 'bin/cargo-zigbuild'), env: { CARGO_ZIGBUILD_ZIG_PATH: join(folder, 'ziglang/zig') } }
}
