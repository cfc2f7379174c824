/**
 * `npm run crash [-- --rounds N] [--seed N]`: kills a process that works on a blob store N times [2,000], and checks after each that all it
 * said is so. The tests do a hundred rounds; this is the long form. A failure names the seed that repeats it.
 */
import { parseArgs } from 'node:util'
import { main, run, StepFailed } from './lib/steps.mjs'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '2000' }, seed: { type: 'string', default: String(Date.now() % 100_000) } },
})

await main(async () => {
  for (const [name, value] of Object.entries(values)) if (!/^[1-9]\d*$/.test(value)) throw new StepFailed(`--${name} takes a number from 1`)
  const env = { ...process.env, GAIWAN_CRASH_ROUNDS: values.rounds, GAIWAN_CRASH_SEED: values.seed }
  const args = ['test', '--locked', '-p', 'gaiwan-blobs', '--test', 'store', 'crash::', '--', '--nocapture']
  if (await run('cargo', args, { env })) throw new StepFailed('the crash loop failed')
})
