// The short form of `bench/soak.mjs`: cycles of connect, echo, close leave nothing behind.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

const CYCLES = 3_000

interface Sample {
  readonly cycles: number
  readonly heapBytes: number
  readonly metrics: Readonly<Record<'client' | 'server', Readonly<Record<string, number>>>>
}
interface Soak {
  readonly cycles: number
  readonly failures: number
  readonly samples: readonly Sample[]
  readonly handlesAfterClose: Readonly<Record<string, number>>
}

test(`${CYCLES} cycles of connect, echo, close leave no handle, no connection and no heap behind`, async (t) => {
  const soak = fileURLToPath(new URL('../../bench/soak.mjs', import.meta.url))
  const flags = ['--expose-gc', soak, '--cycles', `${CYCLES}`, '--samples', '4', '--json']
  const { stdout } = await promisify(execFile)(process.execPath, flags, { maxBuffer: 2 ** 24 })
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Soak
  t.is(result.cycles, CYCLES)
  t.is(result.failures, 0)
  t.deepEqual(result.handlesAfterClose, {})

  const [first, last] = [result.samples[1], result.samples.at(-1)]
  if (first === undefined || last === undefined) return t.fail('the soak took no samples')
  for (const side of ['client', 'server'] as const) {
    const { metrics } = last
    t.is(metrics[side].quic_connections_open, 0, side)
    t.is(metrics[side].quic_handshakes_unfinished, 0, side)
    // The last 64 closed connections keep their handles, so that their statistics can be read.
    t.true((metrics[side].bridge_handles ?? Number.POSITIVE_INFINITY) < 200, `${side}: ${metrics[side].bridge_handles} handles`)
  }
  const grown = (last.heapBytes - first.heapBytes) / (last.cycles - first.cycles)
  t.true(grown < 500, `the heap grew by ${grown} bytes a cycle`)
})
