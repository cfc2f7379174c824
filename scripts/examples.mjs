// `npm run examples`: runs every program in examples/ that ends by itself without arguments, one after the other.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { main, root, run, StepFailed, say } from './lib/steps.mjs'
import { setup } from './setup.mjs'

await main(async () => {
  await setup()
  const failed = []
  for (const name of readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.ts'))) {
    say(`examples/${name}`)
    if (await run(process.execPath, ['--import=tsx', join(root, 'examples', name)])) failed.push(name)
  }
  if (failed.length) throw new StepFailed(`failed: ${failed.join(', ')}`)
})
