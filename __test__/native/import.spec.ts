import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { runChild } from '../helpers/child.js'

const top = fileURLToPath(new URL('../..', import.meta.url))
const USE = `
const book = new gaiwan.MemoryLookup()
if (book.get(gaiwan.SecretKey.generate().id) !== null) throw new Error('not empty')
gaiwan.Endpoint.bind({ bind: '127.0.0.1:0' }).then(async (endpoint) => {
  await endpoint.close()
  const store = blobs.BlobStore.memory()
  const { hash } = await store.add('tea')
  await store.get('nope').catch((error) => { if (!(error instanceof TypeError)) throw error })
  await store.close()
  if (gossip.ALPN !== '/iroh-gossip/1' || gossip.topicId('tea').length !== 64 || typeof gossip.Gossip !== 'function') throw new Error('gossip')
  if (automerge.REPO_ALPN !== 'iroh/automerge-repo/1' || typeof automerge.GaiwanNetworkAdapter !== 'function') throw new Error('automerge')
  // One error class, whatever the door.
  const code = await store.get(hash).catch((error) => gaiwan.GaiwanError.is(error) && error instanceof gaiwan.GaiwanError && error.code)
  console.log(typeof gaiwan.Router.builder, endpoint instanceof gaiwan.Endpoint, code)
})
`

for (const [kind, file, head] of [
  [
    'an ES module',
    'program.mjs',
    "import * as gaiwan from 'gaiwan'\nimport * as blobs from 'gaiwan/blobs'\nimport * as gossip from 'gaiwan/gossip'\nimport * as automerge from 'gaiwan/automerge'",
  ],
  [
    'a CommonJS module',
    'program.cjs',
    "const gaiwan = require('gaiwan')\nconst blobs = require('gaiwan/blobs')\nconst gossip = require('gaiwan/gossip')\nconst automerge = require('gaiwan/automerge')",
  ],
] as const) {
  test(`the compiled package is imported by ${kind}`, (t) => {
    t.true(existsSync(join(top, 'dist/index.js')), 'compile first: npm run build:ts')
    const folder = mkdtempSync(join(tmpdir(), 'gaiwan-import-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(top, join(folder, 'node_modules/gaiwan'), 'junction')
    writeFileSync(join(folder, file), `${head}\n${USE}`)
    const { NODE_OPTIONS: _, ...env } = process.env
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', file], { cwd: folder, env, encoding: 'utf8' })
    t.is(status, 0, stderr)
    t.is(stdout, 'function true STORE_CLOSED\n')
  })
}

test('everything of the contract is exported', async (t) => {
  const { stdout, stderr } = await runChild(t, "console.log(Object.keys(gaiwan).sort().join(' '))")
  t.is(
    stdout.trim(),
    'Connection EarlyConnection EarlyIncoming Endpoint EndpointTicket GaiwanError Incoming MemoryLookup RecvStream Router SecretKey SendStream configureRuntime filtered setLogLevel setLogger verify',
    stderr,
  )
})
