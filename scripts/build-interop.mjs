// `npm run build:interop`: builds the peer on the real iroh crates, in its own target folder, when its sources changed.
import { Built, fingerprint } from './lib/fingerprint.mjs'
import { isMain, main, must, requireRust, say } from './lib/steps.mjs'

const INPUTS = ['interop/Cargo.toml', 'interop/Cargo.lock', 'interop/src']
const PROGRAM = `interop/target/release/gaiwan-interop-peer${process.platform === 'win32' ? '.exe' : ''}`

const peer = new Built({ stamp: 'interop/target/.built-from', inputs: INPUTS, outputs: [PROGRAM] })

/** Builds the interop peer unless it is fresh. */
export async function buildInterop() {
  if (peer.fresh) return
  requireRust()
  say('building the interop peer on iroh (a first build takes some minutes)')
  const print = fingerprint(INPUTS)
  const place = ['--manifest-path', 'interop/Cargo.toml', '--target-dir', 'interop/target']
  await must('the interop build', 'cargo', ['build', '--locked', '--release', ...place])
  peer.mark(print)
}

if (isMain(import.meta.url)) await main(buildInterop)
