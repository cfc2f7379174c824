// `npm start`: sets the checkout up and runs the main job, two processes that move a folder.
import { join } from 'node:path'
import { main, root, run } from './lib/steps.mjs'
import { setup } from './setup.mjs'

await main(async () => {
  await setup()
  return run(process.execPath, ['--import=tsx', join(root, 'examples/send-a-folder.ts'), ...process.argv.slice(2)])
})
