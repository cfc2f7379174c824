// One line of progress, as wide as the terminal lets it be.
import { bytesText, printable } from '../output.js'
import { timeText } from './rate.js'

/** How far something is. */
export interface Progress {
  /** What is being done: `fetching`. */
  readonly phase: string
  readonly bytes: number
  /** Null while unknown. */
  readonly totalBytes: number | null
  readonly files?: number
  readonly totalFiles?: number | null
  /** Of a store. */
  readonly blobs?: number
  readonly totalBlobs?: number
  /** What is at hand; text of a peer, made harmless here. */
  readonly name?: string
}

/** Progress with what a clock adds. */
export interface Timed extends Progress {
  readonly bytesPerSecond: number | null
  readonly secondsLeft: number | null
}

/** Cells of a bar. A smaller one tells nothing. */
const MOST_CELLS = 20
const LEAST_CELLS = 6
/** What a rate and a time usually take. */
const RATE_COLUMNS = '99.9 MB/s'.length
const TIME_COLUMNS = '99:59 left'.length

/**
 * `fetching [#####        ]  40 %  2.0 of 5.0 MB  1.0 MB/s  0:03 left  1/3 files  a.txt`. On a narrow terminal the numbers matter more than
 * the picture of them: the bar is as wide as they leave it, and what has no room even without it is left out from the end.
 */
export function barLine(timed: Timed, columns: number): string {
  const share = shareOf(timed)
  let line = timed.phase
  if (share !== null) {
    const cells = Math.min(MOST_CELLS, columns - numbersColumns(timed) - ' []'.length)
    if (cells >= LEAST_CELLS) line += ` [${'#'.repeat(Math.floor(share * cells)).padEnd(cells)}]`
  }
  const facts = factsOf(timed, true)
  if (share !== null) facts.unshift(percentOf(share))
  for (const fact of facts) {
    const between = fact === facts[0] ? ' ' : '  '
    if (line.length + between.length + fact.length > columns) break
    line += between + fact
  }
  const room = columns - line.length - 2
  const name = timed.name === undefined ? '' : printable(timed.name)
  return name === '' || room < 8 ? line : `${line}  ${shortened(name, room)}`
}

/** What all but the bar takes at its widest: a bar that changes its width with every number is no picture. */
function numbersColumns(timed: Timed): number {
  const { phase, totalBytes, totalFiles, totalBlobs } = timed
  const most = {
    ...timed,
    bytes: totalBytes ?? timed.bytes,
    ...(typeof totalFiles === 'number' && { files: totalFiles }),
    ...(totalBlobs !== undefined && { blobs: totalBlobs }),
    bytesPerSecond: null,
    secondsLeft: null,
  }
  const [amount, ...rest] = factsOf(most, true)
  const widths = [
    percentOf(1).length - 1,
    amount!.length,
    RATE_COLUMNS,
    ...(totalBytes === null ? [] : [TIME_COLUMNS]),
    ...rest.map(({ length }) => length),
  ]
  return widths.reduce((sum, width) => sum + 2 + width, phase.length)
}

/** The same for where nothing can be drawn over. */
export function plainLine(timed: Timed): string {
  const share = shareOf(timed)
  return [timed.phase, ...(share === null ? [] : [percentOf(share).trim()]), ...factsOf(timed, false)].join(', ')
}

/** 0 to 1, 1 only when all is there; of files while the whole is not known in bytes, null while it is not known at all. */
function shareOf({ bytes, totalBytes, files, totalFiles }: Progress): number | null {
  if (totalBytes !== null) return totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes)
  return files !== undefined && totalFiles ? Math.min(1, files / totalFiles) : null
}

/** Three digits wide. */
function percentOf(share: number): string {
  return `${String(Math.floor(share * 100)).padStart(3)} %`
}

function factsOf(
  { bytes, totalBytes, bytesPerSecond, secondsLeft, files, totalFiles, blobs, totalBlobs }: Timed,
  short: boolean,
): string[] {
  const facts = [totalBytes === null ? bytesText(bytes) : amountOf(bytesText(bytes), bytesText(totalBytes), short)]
  if (bytesPerSecond !== null) facts.push(`${bytesText(Math.round(bytesPerSecond))}/s`)
  if (secondsLeft !== null) facts.push(`${timeText(secondsLeft)} left`)
  if (files !== undefined)
    facts.push(typeof totalFiles === 'number' ? `${files}${short ? '/' : ' of '}${totalFiles} files` : `${files} files`)
  if (blobs !== undefined) facts.push(`${blobs}${short ? '/' : ' of '}${totalBlobs} blobs`)
  return facts
}

/** `2.0 MB of 5.0 MB`; in short the unit is said once. */
function amountOf(some: string, all: string, short: boolean): string {
  const [number, unit] = some.split(' ')
  return `${short && all.endsWith(` ${unit}`) ? number : some} of ${all}`
}

/** The end of a path tells more than its beginning. */
function shortened(name: string, columns: number): string {
  return name.length <= columns ? name : `…${name.slice(name.length - columns + 1)}`
}
