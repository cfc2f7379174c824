// `npm run build:ts`: compiles ts/ to dist/, afresh, so that a removed source leaves nothing behind. What no entry of the manifest reaches,
// such as the declarations of what is internal, is removed again.
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Built, fingerprint } from './lib/fingerprint.mjs'
import { prune } from './lib/reach.mjs'
import { bin, isMain, main, must, root, say } from './lib/steps.mjs'

const INPUTS = ['ts', 'tsconfig.json', 'tsconfig.build.json', 'index.d.ts', 'package.json', 'scripts/lib/reach.mjs']

/** The compiled facade as a thing that can be stale. */
export const facade = new Built({ stamp: '.setup/ts', inputs: INPUTS, outputs: ['dist/index.js', 'dist/index.d.ts'] })

/** Compiles ts/ to dist/. */
export async function buildTs() {
  say('compiling TypeScript')
  const print = fingerprint(INPUTS)
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  await must('the TypeScript build', process.execPath, [bin('typescript', 'tsc'), '-p', 'tsconfig.build.json'])
  prune('dist', JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  const command = join(root, 'dist/cli/main.js')
  if (existsSync(command)) chmodSync(command, 0o755)
  facade.mark(print)
}

if (isMain(import.meta.url)) await main(buildTs)
