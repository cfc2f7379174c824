/** Medians, ratios and the table. */

/** The middle value, or the mean of the two middle ones. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * One row from the runs of both pairs.
 * @param {import('./cases.mjs').Measure} measure
 * @param {object[]} base what `measure()` gave, a run each
 * @param {object[]} gaiwan the same number of runs, each next to the base run of its index
 */
export function row({ id, label, unit, target, sense, value }, base, gaiwan) {
  const baseValues = base.map(value)
  const gaiwanValues = gaiwan.map(value)
  const ratios = gaiwanValues.map((figure, run) => figure / baseValues[run])
  const ratio = median(ratios)
  return {
    id,
    label,
    unit,
    base: median(baseValues),
    gaiwan: median(gaiwanValues),
    ratio,
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    target,
    sense,
    reached: target === null ? null : sense === 'atLeast' ? ratio >= target : ratio <= target,
    notes: [notes(base), notes(gaiwan)],
  }
}

/** Latencies of a pair, the share of its datagrams that arrived, or the most that each side kept resident. */
function notes(runs) {
  const of = (key) => median(runs.map(({ figures }) => figures[key]))
  const { p50Us, sent, rss } = runs[0].figures
  if (p50Us !== undefined) return `${duration(of('p50Us'))} / ${duration(of('p99Us'))}`
  if (sent !== undefined) return `${Math.round((of('count') / of('sent')) * 100)} % arrived`
  if (rss !== undefined)
    return `at most ${rss.map((_, side) => mib(Math.max(...runs.map(({ figures }) => figures.rss[side])))).join(' / ')} MiB`
  return ''
}

function mib(bytes) {
  return (bytes / 2 ** 20).toFixed(0)
}

function duration(us) {
  return us < 1_000 ? `${us.toFixed(0)} us` : `${(us / 1e3).toFixed(1)} ms`
}

function figure(value) {
  if (value >= 1_000) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}

/** The rows as a Markdown table whose columns also line up in a terminal. */
export function table(rows) {
  const head = ['workload', 'unit', 'base', 'gaiwan', 'ratio (range)', 'target', '', 'base p50 / p99', 'gaiwan p50 / p99, or RSS']
  const body = rows.map((it) => [
    it.label,
    it.unit,
    figure(it.base),
    figure(it.gaiwan),
    `${it.ratio.toFixed(3)} (${it.lowest.toFixed(2)}-${it.highest.toFixed(2)})`,
    it.target === null ? '' : `${it.sense === 'atLeast' ? '>=' : '<='} ${it.target.toFixed(2)}`,
    it.reached === null ? '' : it.reached ? 'reached' : 'short',
    ...it.notes,
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...body.map((cells) => cells[column].length)))
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n')
}
