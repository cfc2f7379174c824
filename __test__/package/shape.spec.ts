// The manifest as the usual checkers see it: publint, and "are the types wrong".
import { readFileSync } from 'node:fs'
import test from 'ava'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { bin } from '../../scripts/lib/steps.mjs'
import { runNode, top } from './folders.js'
import { manifest, tarball } from './tarball.js'

test('publint has nothing to say of the tarball', async (t) => {
  const { buffer, byteOffset, byteLength } = readFileSync(tarball())
  const { messages } = await publint({ pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) }, strict: true })
  t.deepEqual(
    messages.map((message) => formatMessage(message, manifest)),
    [],
  )
})

// One rule is off: that `require` finds ES modules. It does, on purpose: every Node.js that `engines` names loads them, and a second build
// in CommonJS would be a second `GaiwanError` and a second table of handles. All other rules hold, for every way to resolve, node10 too.
test('attw finds the types right for every entry and every way to resolve', (t) => {
  const args = [bin('@arethetypeswrong/cli', 'attw'), tarball(), '--profile', 'strict', '--format', 'ascii', '--no-color', '--no-emoji']
  const { status, stdout } = runNode(top, [...args, '--ignore-rules', 'cjs-resolves-to-esm'])
  t.is(status, 0, stdout)
  t.is(runNode(top, args).status, 1, 'once the rule has nothing to say, this test need not switch it off')
})
