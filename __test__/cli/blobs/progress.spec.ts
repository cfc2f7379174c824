import test from 'ava'
import fc from 'fast-check'
import { barLine, plainLine, type Timed } from '../../../ts/cli/blobs/bar.js'
import { Meter, type Shown } from '../../../ts/cli/blobs/meter.js'
import { RateMeter, timeText } from '../../../ts/cli/blobs/rate.js'

test('a steady flow has its rate, and the time left follows from it', (t) => {
  const meter = new RateMeter()
  t.is(meter.rate(0), null)
  for (let at = 0; at <= 10_000; at += 20) meter.add(at * 1_000, at)
  t.is(meter.rate(10_000), 1_000_000)
  t.is(meter.left(15_000_000, 10_000), 5)
  t.is(meter.left(null, 10_000), null)
  t.is(meter.left(1, 10_000), 0)
})

test('the first moments tell no rate', (t) => {
  const meter = new RateMeter()
  meter.add(0, 1_000)
  meter.add(500_000, 1_010)
  t.is(meter.rate(1_010), null)
  t.is(meter.left(1_000_000, 1_010), null)
  t.is(meter.rate(1_500), 1_000_000)
})

test('old speed is forgotten: after a change the rate is the new one within some seconds', (t) => {
  const meter = new RateMeter()
  const at60 = 60_000 * 1_000
  for (let at = 0; at < 60_000; at += 50) meter.add(at * 1_000, at)
  for (let at = 60_000; at <= 66_000; at += 50) meter.add(at60 + (at - 60_000) * 10, at)
  t.is(Math.round(meter.rate(66_000)!), 10_000)
})

test('a flow that stops falls to nothing, and then nobody can tell the time left', (t) => {
  const meter = new RateMeter()
  for (let at = 0; at <= 5_000; at += 100) meter.add(at, at)
  t.true(meter.rate(60_000)! < 100)
  meter.add(5_000, 60_000)
  meter.add(5_000, 70_000)
  t.is(meter.rate(70_000), 0)
  t.is(meter.left(10_000, 70_000), null)
})

test('fewer bytes than before are a new start', (t) => {
  const meter = new RateMeter()
  meter.add(1_000_000, 0)
  meter.add(2_000_000, 1_000)
  meter.add(0, 1_100)
  t.is(meter.rate(1_100), null)
  meter.add(100, 2_100)
  t.is(meter.rate(2_100), 100)
})

test('the rate is never negative or infinite, whatever comes when', (t) => {
  const steps = fc.array(fc.tuple(fc.nat(1_000_000), fc.nat(3_000)), { maxLength: 200 })
  const property = fc.property(steps, (moves) => {
    const meter = new RateMeter()
    let [bytes, at] = [0, 0]
    for (const [more, ms] of moves) {
      bytes += more
      at += ms
      meter.add(bytes, at)
    }
    const rate = meter.rate(at)
    return rate === null || (rate >= 0 && Number.isFinite(rate))
  })
  const { failed, counterexample } = fc.check(property)
  t.false(failed, JSON.stringify(counterexample))
})

test('times read as clocks do', (t) => {
  t.deepEqual([0, 0.2, 5, 65, 3_599.5, 3_723, 359_999, 400_000].map(timeText), [
    '0:00',
    '0:01',
    '0:05',
    '1:05',
    '1:00:00',
    '1:02:03',
    '99:59:59',
    'days',
  ])
})

const HALF: Timed = {
  phase: 'fetching',
  bytes: 2_500_000,
  totalBytes: 5_000_000,
  files: 1,
  totalFiles: 3,
  name: 'photos/tea.jpg',
  bytesPerSecond: 1_000_000,
  secondsLeft: 2.5,
}

test('a wide bar says all, a narrow one the most important', (t) => {
  t.is(barLine(HALF, 120), 'fetching [##########          ]  50 %  2.5 of 5.0 MB  1.0 MB/s  0:03 left  1/3 files  photos/tea.jpg')
  t.is(barLine(HALF, 80), 'fetching [#######       ]  50 %  2.5 of 5.0 MB  1.0 MB/s  0:03 left  1/3 files')
  t.is(barLine({ ...HALF, bytes: 2_000 }, 50), 'fetching   0 %  2.0 kB of 5.0 MB  1.0 MB/s')
  t.is(barLine(HALF, 12), 'fetching')
  for (let columns = 10; columns < 140; columns++) t.true(barLine(HALF, columns).length <= columns)
})

test('without a total there is no bar; nothing is all of nothing; only all is 100 %', (t) => {
  const { name, files, totalFiles, ...plain } = HALF
  t.is(barLine({ ...plain, totalBytes: null, secondsLeft: null }, 100), 'fetching 2.5 MB  1.0 MB/s')
  t.regex(barLine({ ...plain, bytes: 0, totalBytes: 0 }, 100), /\[#{20}\] 100 %/)
  t.regex(barLine({ ...plain, bytes: 4_999_999 }, 100), /\[#{19} \] {2}99 %/)
  t.regex(barLine({ ...plain, bytes: 6_000_000 }, 100), / 100 %/)
})

test('while only the number of files is known, the bar is of files', (t) => {
  const { name, ...files } = HALF
  const line = barLine({ ...files, totalBytes: null, secondsLeft: null }, 80)
  t.is(line, 'fetching [######              ]  33 %  2.5 MB  1.0 MB/s  1/3 files')
  t.is(barLine({ ...files, totalBytes: null, totalFiles: null, secondsLeft: null }, 80), 'fetching 2.5 MB  1.0 MB/s  1 files')
  t.is(plainLine({ ...files, totalBytes: null, secondsLeft: null }), 'fetching, 33 %, 2.5 MB, 1.0 MB/s, 1 of 3 files')
})

test('a folder of many files has all its numbers at 80 columns, and the bar keeps its width from the first byte to the last', (t) => {
  const many = {
    ...HALF,
    bytes: 30_300_000,
    totalBytes: 120_100_000,
    bytesPerSecond: 19_400_000,
    secondsLeft: 65,
    files: 512,
    totalFiles: 2_000,
  }
  t.is(barLine(many, 79).replace(/ {2}…?photos.*/, ''), 'fetching  25 %  30.3 of 120.1 MB  19.4 MB/s  1:05 left  512/2000 files')
  const few = { ...many, totalFiles: 9 }
  for (const bytes of [0, 1, 999, 1_000_000, 99_900_000, 120_100_000]) {
    const line = barLine({ ...few, bytes, bytesPerSecond: bytes === 0 ? null : bytes, files: bytes === 0 ? 0 : 9 }, 79)
    t.regex(line, /^fetching \[[# ]{9}\] /)
  }
})

test('a long name keeps its end, and none can act on the terminal', (t) => {
  t.regex(barLine({ ...HALF, name: `${'x'.repeat(200)}/end.txt` }, 120), /…x*\/end\.txt$/)
  const line = barLine({ ...HALF, name: 'a\u001b[2Jb\nc' }, 120)
  t.true(line.endsWith('a\\u001b[2Jb c'))
})

test('the plain line says the same with commas', (t) => {
  t.is(plainLine(HALF), 'fetching, 50 %, 2.5 MB of 5.0 MB, 1.0 MB/s, 0:03 left, 1 of 3 files')
})

/** An output that keeps what it is told. */
function shown(kind: 'json' | 'terminal' | 'plain'): Shown & { lines: string[]; events: unknown[] } {
  const lines: string[] = []
  const events: unknown[] = []
  return {
    lines,
    events,
    json: kind === 'json',
    draws: kind === 'terminal',
    progress: (line) => void (kind === 'terminal' && lines.push(line(80))),
    say: (line) => void lines.push(line),
    report: (fields) => void events.push(fields),
    clear: () => void lines.push('cleared'),
  }
}

/** A meter that is told of a second more each time. */
function second(output: Shown, quiet = false) {
  let now = 0
  const meter = new Meter(output, { now: () => now, quiet })
  return {
    meter,
    tick: (bytes: number) => {
      meter.update({ phase: 'fetching', bytes, totalBytes: 100_000, files: 0, totalFiles: 2, name: 'a' })
      now += 1_000
    },
  }
}

test('on a terminal each update is drawn, and the end removes it', (t) => {
  const output = shown('terminal')
  const { meter, tick } = second(output)
  for (let n = 0; n < 3; n++) tick(n * 10_000)
  meter.done()
  t.is(output.lines.length, 4)
  t.regex(output.lines[2]!, /^fetching \[#{2} {8}\] {2}20 % {2}20\.0 of 100\.0 kB {2}10\.0 kB\/s/)
  t.is(output.lines[3], 'cleared')
  t.is(meter.bytes, 20_000)
})

test('elsewhere people get a line every ten seconds', (t) => {
  const output = shown('plain')
  const { tick } = second(output)
  for (let n = 0; n < 25; n++) tick(n * 1_000)
  t.deepEqual(output.lines, [
    'fetching, 10 %, 10.0 kB of 100.0 kB, 1.0 kB/s, 1:30 left, 0 of 2 files',
    'fetching, 20 %, 20.0 kB of 100.0 kB, 1.0 kB/s, 1:20 left, 0 of 2 files',
  ])
})

test('programs get an object twice a second at most, and the last state for certain', (t) => {
  const output = shown('json')
  const { meter, tick } = second(output)
  for (let n = 0; n < 3; n++) tick(n * 10_000)
  t.is(output.events.length, 2)
  meter.done()
  t.deepEqual(output.events.at(-1), {
    event: 'progress',
    phase: 'fetching',
    bytes: 20_000,
    totalBytes: 100_000,
    bytesPerSecond: 6_667,
    secondsLeft: 12,
    files: 0,
    totalFiles: 2,
    name: 'a',
  })
})

test('a quiet meter says nothing and still counts', (t) => {
  for (const kind of ['json', 'plain', 'terminal'] as const) {
    const output = shown(kind)
    const { meter, tick } = second(output, true)
    for (let n = 0; n < 30; n++) tick(n)
    meter.done()
    t.deepEqual([output.events, output.lines.filter((line) => line !== 'cleared'), meter.bytes], [[], [], 29])
  }
})
