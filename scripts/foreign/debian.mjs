// Folders with packages of Debian for another processor, as a root for an emulator. A private state of apt, so that this machine
// installs nothing; the archive and its keys are those that this machine's own apt uses.
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask, must, root, StepFailed, say } from '../lib/steps.mjs'

/** The first Debian with a musl that knows the relocations (RELR) of today's libraries. */
const SUITE = 'trixie'
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** The archive from which this machine takes Debian. */
function archive() {
  const lines = ask('apt-get', ['indextargets', '--format', '$(REPO_URI) $(LABEL)', 'Created-By: Packages']) ?? ''
  const found = /^(\S+) Debian$/m.exec(lines)?.[1]
  if (!found || !existsSync(KEYS)) throw new StepFailed('this needs a Debian with lists of packages ("apt-get update")')
  return found
}

/** Settings of an apt that lives in `folder` and takes `arch` for the processor of this machine. */
function settings(folder, arch) {
  const lines = [
    `APT::Architecture "${arch}";`,
    `APT::Architectures { "${arch}"; };`,
    'APT::Install-Recommends "false";',
    'APT::Sandbox::User "";',
    'Acquire::Languages "none";',
    `Dir::State "${folder}";`,
    `Dir::State::status "${folder}/status";`,
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    'Dir::Etc::sourceparts "/nonexistent";',
    `Dir::Cache "${folder}";`,
  ]
  return `${lines.join('\n')}\n`
}

/**
 * A folder with `packages` and all that they depend on, made once.
 *
 * @param {string} arch as Debian names it
 * @param {string[]} packages
 */
export async function debianRoot(arch, packages) {
  const base = join(root, 'build/foreign', `debian-${arch}`)
  const [tree, done] = [join(base, 'root'), join(base, 'done')]
  if (existsSync(done)) return tree
  say(`fetching ${packages.join(', ')} of Debian ${SUITE} for ${arch} into build/foreign`)
  rmSync(base, { recursive: true, force: true })
  for (const folder of ['lists/partial', 'archives/partial', 'root/usr/lib']) mkdirSync(join(base, folder), { recursive: true })
  symlinkSync('usr/lib', join(tree, 'lib')) // what the package "base-files" does
  writeFileSync(join(base, 'status'), '')
  writeFileSync(join(base, 'sources.list'), `deb [signed-by=${KEYS}] ${archive()} ${SUITE} main\n`)
  writeFileSync(join(base, 'apt.conf'), settings(base, arch))
  const env = { APT_CONFIG: join(base, 'apt.conf') }
  await must('apt-get update', 'apt-get', ['-qq', 'update'], { env })
  await must('apt-get', 'apt-get', ['-qq', '-y', '--download-only', 'install', ...packages], { env })
  for (const name of readdirSync(join(base, 'archives')).filter((one) => one.endsWith('.deb'))) {
    await must('dpkg-deb', 'dpkg-deb', ['-x', join(base, 'archives', name), tree])
  }
  rmSync(join(base, 'archives'), { recursive: true })
  writeFileSync(done, '')
  return tree
}
