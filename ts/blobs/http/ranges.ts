// The header `Range` (RFC 9110, section 14).

/** Bytes from `start` up to, not including, `end`. Never empty. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** 'whole': the header asks for nothing that we answer in parts. 'none': no byte that was asked for is there. */
export type Ranges = 'whole' | 'none' | readonly Span[]

/**
 * What of `size` bytes a header asks for.
 *
 * Another unit, a wrong form, or more than `max` ranges mean the whole, as a server is free to answer (section 14.2):
 * refusing would only break clients that can take both. Ranges that overlap or touch are joined; the others keep their order.
 */
export function parseRanges(header: string | undefined, size: number, max: number): Ranges {
  const [, list] = /^\s*bytes\s*=(.*)$/is.exec(header ?? '') ?? []
  if (list === undefined) return 'whole'
  const specs = list
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '')
  const found: Span[] = []
  for (const spec of specs) {
    const [, first, last] = /^(\d*)-(\d*)$/.exec(spec) ?? []
    if (first === undefined || last === undefined || (first === '' && last === '')) return 'whole'
    if (first !== '' && last !== '' && Number(first) > Number(last)) return 'whole'
    // The end of nothing is all of it, and no Content-Range could tell.
    if (size === 0 && first === '' && Number(last) > 0) return 'whole'
    const span =
      first === '' ? suffix(Number(last), size) : { start: Number(first), end: last === '' ? size : Math.min(size, Number(last) + 1) }
    if (span.start < span.end) found.push(span)
  }
  if (specs.length === 0) return 'whole'
  if (found.length === 0) return 'none'
  const spans = joined(found)
  return spans.length > max ? 'whole' : spans
}

function suffix(length: number, size: number): Span {
  return { start: Math.max(0, size - length), end: size }
}

/** Without overlaps, each where the first of its parts was asked for. */
function joined(spans: readonly Span[]): Span[] {
  const sorted = spans.map((span, place) => ({ ...span, place })).sort((a, b) => a.start - b.start)
  const groups: Array<{ start: number; end: number; place: number }> = []
  for (const span of sorted) {
    const last = groups.at(-1)
    if (last === undefined || span.start > last.end) groups.push({ ...span })
    else {
      last.end = Math.max(last.end, span.end)
      last.place = Math.min(last.place, span.place)
    }
  }
  return groups.sort((a, b) => a.place - b.place).map(({ start, end }) => ({ start, end }))
}

/** `bytes 0-9/100` of the header `Content-Range`. */
export function contentRange({ start, end }: Span, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`
}
