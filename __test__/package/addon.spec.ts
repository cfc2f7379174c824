import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { describeAddon, faults, MAX_BYTES } from '../../scripts/lib/addon.mjs'
import { compareVersions } from '../../scripts/lib/elf.mjs'
import { hostTarget, targets } from '../../scripts/lib/targets.mjs'
import { top } from './folders.js'

const host = hostTarget()!
const named = (triple: string) => targets.find((one) => one.triple === triple)!
const elf = { bytes: 8_000_000, sha256: '', format: 'elf', cpu: 'x64', needs: [], glibc: '2.17' }
const machO = { bytes: 8_000_000, sha256: '', format: 'mach-o', cpu: 'arm64', macos: '11.0', signature: 'valid' }

test('versions are compared by their numbers', (t) => {
  t.deepEqual(['2.2.5', '2.17', '2.4', '2.2'].sort(compareVersions), ['2.2', '2.2.5', '2.4', '2.17'])
})

test('the addon of this machine is read as what it is', (t) => {
  const { format, cpu } = describeAddon(join(top, host.file))
  t.deepEqual([format, cpu], [process.platform === 'darwin' ? 'mach-o' : process.platform === 'win32' ? 'other' : 'elf', process.arch])
})

test('an ELF file that asks for a glibc says for which: the process that runs this does', (t) => {
  const { glibc } = describeAddon(process.execPath)
  const text = readFileSync(process.execPath, 'latin1')
  const all = [...new Set(text.match(/GLIBC_2\.\d+(?=\0)/g))].map((name) => name.slice('GLIBC_'.length)).sort(compareVersions)
  t.is(glibc ?? undefined, host.libc === 'glibc' ? all.at(-1) : undefined)
})

test('an addon that asks for a newer glibc, is of another processor or too large is not to be published', (t) => {
  const x64 = named('linux-x64-gnu')
  t.deepEqual(faults(x64, elf), [])
  t.deepEqual(faults(x64, { ...elf, glibc: '2.18' }), ['it needs glibc 2.18, not 2.17'])
  t.deepEqual(faults(x64, { ...elf, cpu: 'arm64' }), ['it is for arm64, not x64'])
  t.deepEqual(faults(x64, { ...elf, bytes: MAX_BYTES + 1 }), ['it has 10000001 bytes, more than 10000000'])
  t.deepEqual(faults(x64, machO), ['it is mach-o, not elf'])
  t.deepEqual(faults(named('linux-x64-musl'), elf), ['it needs glibc 2.17, but is for musl'])
})

test('an addon for a Mac must run on macOS 11, one for arm64 must be signed, and a signature must be right', (t) => {
  const mac = named('darwin-arm64')
  t.deepEqual(faults(mac, machO), [])
  t.deepEqual(faults(mac, { ...machO, macos: '13.0' }), ['it needs macOS 13.0, not 11.0'])
  t.deepEqual(faults(mac, { ...machO, signature: 'none' }), ['its signature is none'])
  t.deepEqual(faults(mac, { ...machO, signature: 'broken' }), ['its signature is broken'])
  t.deepEqual(faults(named('darwin-x64'), { ...machO, cpu: 'x64', signature: 'none' }), [])
})
