// `gaiwan/automerge` where the two optional packages are missing.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

const top = fileURLToPath(new URL('../..', import.meta.url))

/** A folder with the built package and those of the two that are named. */
function place(t: ExecutionContext, packages: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'gaiwan-packages-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const own = join(folder, 'node_modules/gaiwan')
  mkdirSync(join(folder, 'node_modules/@automerge'), { recursive: true })
  mkdirSync(own)
  for (const name of ['dist', 'package.json', 'index.cjs']) cpSync(join(top, name), join(own, name), { recursive: true })
  for (const name of packages)
    symlinkSync(join(top, 'node_modules/@automerge', name), join(folder, 'node_modules/@automerge', name), 'junction')
  return folder
}

function run(folder: string, file: string, program: string): { status: number | null; stdout: string; stderr: string } {
  writeFileSync(join(folder, file), program)
  const { NODE_OPTIONS: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
    cwd: folder,
    // The addon is not copied: it is large.
    env: { ...env, GAIWAN_NATIVE_PATH: join(top, `gaiwan.${nativeName()}.node`) },
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

function nativeName(): string {
  const { platform, arch } = process
  return platform === 'linux' ? `linux-${arch}-gnu` : platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`
}

for (const [missing, packages] of [
  ['automerge', ['automerge-repo']],
  ['automerge-repo', ['automerge']],
] as const) {
  test(`without @automerge/${missing} the import is one error that names it, and gaiwan itself loads`, (t) => {
    const folder = place(t, packages)
    const program = `
      import { Endpoint } from 'gaiwan'
      const error = await import('gaiwan/automerge').then(() => null, (error) => error)
      console.log(typeof Endpoint.bind, error.code, error.message)`
    const { status, stdout, stderr } = run(folder, 'program.mjs', program)
    t.is(stderr, '')
    t.is(status, 0)
    t.regex(
      stdout,
      new RegExp(
        `^function ERR_MODULE_NOT_FOUND Cannot find package '@automerge/${missing}' imported from .*gaiwan.dist.automerge.\\w+\\.js\\n$`,
      ),
    )
    const required = run(
      folder,
      'program.cjs',
      "try { require('gaiwan/automerge') } catch (error) { console.log(error.message.split('\\n')[0]) }",
    )
    t.is(required.status, 0, required.stderr)
    t.true(required.stdout.includes(`'@automerge/${missing}'`), required.stdout)
  })
}

test('with both, ES modules and CommonJS get all that is offered', (t) => {
  const folder = place(t, ['automerge', 'automerge-repo'])
  const names = 'AutomergeSync DOCUMENT_ALPN FrameReader GaiwanNetworkAdapter REPO_ALPN encodeFrame syncDocument'
  const { stdout, stderr } = run(
    folder,
    'program.mjs',
    "import * as all from 'gaiwan/automerge'\nconsole.log(Object.keys(all).sort().join(' '))",
  )
  t.is(stderr, '')
  t.is(stdout.trim(), names)
  const required = run(
    folder,
    'program.cjs',
    "console.log(Object.keys(require('gaiwan/automerge')).sort().filter((name) => name !== '__esModule' && name !== 'module.exports').join(' '))",
  )
  t.is(required.stdout.trim(), names, required.stderr)
})
