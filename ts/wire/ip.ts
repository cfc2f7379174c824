// IP addresses as text and as octets.

const PART = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const V4 = new RegExp(`^${PART}(?:\\.${PART}){3}$`)
const GROUP = /^[0-9a-fA-F]{1,4}$/

/** 4 or 16 octets of an address without port and zone; null when it is none. Takes what Rust's `IpAddr` takes. */
export function ipOctets(text: string): Uint8Array | null {
  return text.includes(':') ? v6Octets(text) : v4Octets(text)
}

function v4Octets(text: string): Uint8Array | null {
  return V4.test(text) ? Uint8Array.from(text.split('.'), Number) : null
}

function v6Octets(text: string): Uint8Array | null {
  const [head = '', tail, more] = text.split('::')
  if (more !== undefined) return null
  const before = groups(head, tail === undefined)
  const after = groups(tail ?? '', true)
  if (before === null || after === null) return null
  const missing = 8 - before.length - after.length
  // `::` stands for one group of zeros or more.
  if (tail === undefined ? missing !== 0 : missing < 1) return null
  const octets = new Uint8Array(16)
  ;[...before, ...new Array<number>(missing).fill(0), ...after].forEach((group, n) => {
    octets[2 * n] = group >> 8
    octets[2 * n + 1] = group & 0xff
  })
  return octets
}

/** Groups between colons; the last may be the dotted form of two. */
function groups(text: string, dotted: boolean): number[] | null {
  if (text === '') return []
  const parts = text.split(':')
  const found: number[] = []
  for (const [n, part] of parts.entries()) {
    const octets = dotted && n === parts.length - 1 ? v4Octets(part) : null
    if (octets !== null)
      found.push(((octets[0] as number) << 8) | (octets[1] as number), ((octets[2] as number) << 8) | (octets[3] as number))
    else if (GROUP.test(part)) found.push(Number.parseInt(part, 16))
    else return null
  }
  return found
}

/** The text of 4 or 16 octets as Rust prints it: RFC 5952, sections 4 and 5. */
export function ipText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.')
  const groups = Array.from({ length: 8 }, (_, n) => ((octets[2 * n] as number) << 8) | (octets[2 * n + 1] as number))
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return `::ffff:${octets.subarray(12).join('.')}`
  const { start, length } = longestZeros(groups)
  const hex = groups.map((group) => group.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

/** The first of the longest runs of zeros. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (groups[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
  }
  return best
}

const SOCKET = /^(?:\[([^\]%]+)(?:%\d+)?\]|([\d.]+)):(\d{1,5})$/

/** Octets and port of `1.2.3.4:5` or `[2001:db8::1]:5`; a numeric zone is left out; null when it is neither. */
export function socketParts(text: string): { readonly octets: Uint8Array; readonly port: number } | null {
  const [, v6, v4, digits] = SOCKET.exec(text) ?? []
  const octets = v6 !== undefined ? v6Octets(v6) : v4 !== undefined ? v4Octets(v4) : null
  const port = Number(digits)
  return octets === null || port > 0xffff ? null : { octets, port }
}

export function socketText(octets: Uint8Array, port: number): string {
  return octets.length === 4 ? `${ipText(octets)}:${port}` : `[${ipText(octets)}]:${port}`
}
