// Reads what a Mach-O file asks of macOS, and checks its signature: an arm64 Mac ends a process that loads a file whose
// pages are not those that were signed, and a strip after the linker leaves just that behind.
// Layouts: mach-o/loader.h and cs_blobs.h of Apple's XNU.
import { createHash } from 'node:crypto'

const MACHINES = { 16777223: 'x64', 16777228: 'arm64' }
const LC_CODE_SIGNATURE = 0x1d
const LC_VERSION_MIN_MACOSX = 0x24
const LC_BUILD_VERSION = 0x32
const CODE_DIRECTORY = 0xfade0c02

function* commands(file) {
  let at = 32
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    yield { command: file.readUInt32LE(at) & 0x7fffffff, at }
    at += file.readUInt32LE(at + 4)
  }
}

/** Whether every page has the SHA-256 that its code directory names. */
function pagesMatch(file, at) {
  const [hashes, slots, limit] = [16, 28, 32].map((field) => file.readUInt32BE(at + field))
  const page = 2 ** file[at + 39]
  if (file[at + 36] !== 32 || file[at + 37] !== 2) return false
  for (let n = 0; n < slots; n++) {
    const bytes = file.subarray(n * page, Math.min((n + 1) * page, limit))
    const signed = file.subarray(at + hashes + 32 * n, at + hashes + 32 * (n + 1))
    if (!createHash('sha256').update(bytes).digest().equals(signed)) return false
  }
  return slots > 0
}

function signature(file, at) {
  for (let n = 0; n < file.readUInt32BE(at + 8); n++) {
    const blob = at + file.readUInt32BE(at + 16 + 8 * n)
    if (file.readUInt32BE(blob) === CODE_DIRECTORY) return pagesMatch(file, blob) ? 'valid' : 'broken'
  }
  return 'broken'
}

/**
 * @param {Buffer} file a thin 64-bit Mach-O file
 * @returns `cpu` as Node.js names it, `macos` the oldest system, `signature` 'valid', 'broken' or 'none'.
 */
export function readMachO(file) {
  const found = { format: 'mach-o', cpu: MACHINES[file.readUInt32LE(4)] ?? 'unknown', macos: null, signature: 'none' }
  for (const { command, at } of commands(file)) {
    const version = { [LC_BUILD_VERSION]: at + 12, [LC_VERSION_MIN_MACOSX]: at + 8 }[command]
    if (version) found.macos = `${file.readUInt16LE(version + 2)}.${file[version + 1]}`
    if (command === LC_CODE_SIGNATURE) found.signature = signature(file, file.readUInt32LE(at + 8))
  }
  return found
}
