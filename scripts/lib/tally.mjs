// Counts tests out of what the runners print, so that `npm test` can end with one line.

/** Passed and failed tests of one run of `npm test`. A step that fails without naming a test counts as one failure. */
export class Tally {
  passed = 0
  failed = 0

  get ok() {
    return this.failed === 0 && this.passed > 0
  }

  toString() {
    return `${this.passed} passed, ${this.failed} failed`
  }
}

/** Reads the `test result:` lines of `cargo test`. */
export function cargoLine(tally, line) {
  const found = /^test result: \S+ (\d+) passed; (\d+) failed;/.exec(line)
  if (!found) return
  tally.passed += Number(found[1])
  tally.failed += Number(found[2])
}

/** Reads one line of TAP as ava prints it. Skipped tests and tests to do are not passed ones. */
export function tapLine(tally, line) {
  if (/^not ok\b/.test(line)) {
    if (!/# (TODO|SKIP)\b/i.test(line)) tally.failed++
  } else if (/^ok\b/.test(line) && !/# (TODO|SKIP)\b/i.test(line)) tally.passed++
}
