// What is known of a built addon without loading it, and whether it keeps what its target promises.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { compareVersions, readElf } from './elf.mjs'
import { readMachO } from './macho.mjs'

/** No addon is larger: half of what the official binding of iroh weighs. */
export const MAX_BYTES = 10_000_000

/**
 * What a file says of itself; `format` is 'other' for what is neither ELF nor Mach-O.
 *
 * @typedef {object} Addon
 * @property {number} bytes
 * @property {string} sha256
 * @property {string} format
 * @property {string} [cpu]
 * @property {string[]} [needs] libraries of an ELF file
 * @property {string | null} [glibc] the highest version of its symbols in an ELF file
 * @property {string | null} [macos] the oldest system of a Mach-O file
 * @property {string} [signature] of a Mach-O file
 */

/**
 * Reads the addon at `path`.
 *
 * @returns {Addon}
 */
export function describeAddon(path) {
  const file = readFileSync(path)
  const magic = file.readUInt32LE(0)
  const read = magic === 0x464c457f ? readElf(file) : magic === 0xfeedfacf ? readMachO(file) : { format: 'other' }
  return { bytes: file.length, sha256: createHash('sha256').update(file).digest('hex'), ...read }
}

/**
 * What is wrong with an addon for `target`, a line each.
 *
 * @param {(typeof import('./targets.mjs').targets)[number]} target
 * @param {Addon} addon
 */
export function faults(target, { bytes, format, cpu, glibc, macos, signature }) {
  const lines = []
  const expected = { linux: 'elf', freebsd: 'elf', darwin: 'mach-o' }[target.os] ?? 'other'
  if (format !== expected) lines.push(`it is ${format}, not ${expected}`)
  else if (format !== 'other' && cpu !== target.cpu) lines.push(`it is for ${cpu}, not ${target.cpu}`)
  if (bytes > MAX_BYTES) lines.push(`it has ${bytes} bytes, more than ${MAX_BYTES}`)
  if (target.glibc && compareVersions(glibc ?? '0', target.glibc) > 0) lines.push(`it needs glibc ${glibc}, not ${target.glibc}`)
  if (target.libc === 'musl' && glibc) lines.push(`it needs glibc ${glibc}, but is for musl`)
  if (target.macos && compareVersions(macos ?? '0', target.macos) > 0) lines.push(`it needs macOS ${macos}, not ${target.macos}`)
  if (signature && signature !== 'valid' && (target.cpu === 'arm64' || signature === 'broken')) lines.push(`its signature is ${signature}`)
  return lines
}
