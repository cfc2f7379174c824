// Reads what an ELF file asks of its system: processor, libraries, and the versions of their symbols.
// ELF gABI; the version sections as in the Linux Standard Base, "Symbol Versioning".
const MACHINES = { 40: 'arm', 62: 'x64', 183: 'arm64' }
const SHT_DYNAMIC = 6
const SHT_GNU_VERNEED = 0x6ffffffe
const DT_NEEDED = 1

/** The section headers; `word` reads a field that is as wide as the file. */
function sections(file) {
  const wide = file[4] === 2
  const word = (at) => (wide ? Number(file.readBigUInt64LE(at)) : file.readUInt32LE(at))
  const table = word(wide ? 0x28 : 0x20)
  const [size, count] = [file.readUInt16LE(wide ? 0x3a : 0x2e), file.readUInt16LE(wide ? 0x3c : 0x30)]
  return Array.from({ length: count }, (_, n) => {
    const at = table + n * size
    const [offset, length, link] = wide ? [at + 24, at + 32, at + 40] : [at + 16, at + 20, at + 24]
    return { type: file.readUInt32LE(at + 4), offset: word(offset), length: word(length), link: file.readUInt32LE(link), wide, word }
  })
}

function text(file, at) {
  return file.toString('latin1', at, file.indexOf(0, at))
}

function* versions(file, section, strings) {
  for (let need = section.offset, step = -1; step !== 0; need += step) {
    step = file.readUInt32LE(need + 12)
    let aux = need + file.readUInt32LE(need + 8)
    for (let left = file.readUInt16LE(need + 2); left > 0; left--) {
      yield text(file, strings.offset + file.readUInt32LE(aux + 8))
      aux += file.readUInt32LE(aux + 12)
    }
  }
}

function* libraries(file, { offset, length, wide, word }, strings) {
  const step = wide ? 8 : 4
  for (let at = offset; at < offset + length; at += 2 * step) {
    if (word(at) === DT_NEEDED) yield text(file, strings.offset + word(at + step))
  }
}

/** Compares two versions like "2.4" and "2.17" by their numbers. */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number))
  for (let n = 0; n < Math.max(left.length, right.length); n++) {
    if ((left[n] ?? 0) !== (right[n] ?? 0)) return (left[n] ?? 0) - (right[n] ?? 0)
  }
  return 0
}

/**
 * @param {Buffer} file a little-endian ELF file
 * @returns `cpu` as Node.js names it, `needs` the libraries, `glibc` the highest version of its symbols or null.
 */
export function readElf(file) {
  const all = sections(file)
  const of = (wanted, read) => all.filter(({ type }) => type === wanted).flatMap((one) => [...read(file, one, all[one.link])])
  const glibc = of(SHT_GNU_VERNEED, versions)
    .flatMap((name) => /^GLIBC_([\d.]+)$/.exec(name)?.[1] ?? [])
    .sort(compareVersions)
  return {
    format: 'elf',
    cpu: MACHINES[file.readUInt16LE(18)] ?? 'unknown',
    needs: of(SHT_DYNAMIC, libraries),
    glibc: glibc.at(-1) ?? null,
  }
}
