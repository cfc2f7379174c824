import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Built, fingerprint } from '../../scripts/lib/fingerprint.mjs'
import { cargoLine, Tally, tapLine } from '../../scripts/lib/tally.mjs'
import { runNode, top } from './folders.js'

test('the result lines of cargo add up, ignored tests do not count', (t) => {
  const tally = new Tally()
  const lines = [
    'running 3 tests',
    'test key::tests::a ... ok',
    'test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.01s',
    'test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.20s',
  ]
  for (const line of lines) cargoLine(tally, line)
  t.is(`${tally}`, '16 passed, 2 failed')
  t.false(tally.ok)
})

test('TAP lines add up, skipped tests and tests to do are not passed', (t) => {
  const tally = new Tally()
  const lines = [
    'TAP version 13',
    'ok 1 - a',
    'not ok 2 - b',
    '  ---',
    '  ok: no',
    'ok 3 - c # SKIP',
    'not ok 4 - d # TODO',
    'ok 5 - e',
    '1..5',
    '# pass 2',
  ]
  for (const line of lines) tapLine(tally, line)
  t.is(`${tally}`, '2 passed, 1 failed')
})

test('a run in which nothing ran is not a good one', (t) => {
  t.false(new Tally().ok)
})

test('a built thing is stale once a byte of its sources changes, and fresh again when the byte is back', (t) => {
  const folder = `.setup/test-${process.pid}`
  t.teardown(() => rmSync(join(top, folder), { recursive: true, force: true }))
  mkdirSync(join(top, folder, 'src'), { recursive: true })
  const source = join(top, folder, 'src/a.txt')
  writeFileSync(source, 'a')
  const thing = new Built({ stamp: `${folder}/stamp`, inputs: [`${folder}/src`], outputs: [`${folder}/out`] })
  t.false(thing.fresh, 'never built')
  thing.mark(fingerprint(thing.inputs))
  t.false(thing.fresh, 'output is missing')
  writeFileSync(join(top, folder, 'out'), '')
  t.true(thing.fresh)
  writeFileSync(source, 'b')
  t.false(thing.fresh)
  writeFileSync(source, 'a')
  t.true(thing.fresh)
  writeFileSync(join(top, folder, 'src/b.txt'), '')
  t.false(thing.fresh, 'one more source')
})

test('without a Rust toolchain the set-up ends with one line and status 1, before it installs anything', (t) => {
  const { status, stdout, stderr } = runNode(top, ['scripts/setup.mjs', '--force'], { PATH: '', Path: '' })
  t.is(status, 1)
  t.is(stdout, '')
  t.regex(stderr, /^gaiwan: the Rust toolchain is missing: install Rust [\d.]+ or newer \(https:\/\/rustup\.rs\), then run this again\.\n$/)
})
