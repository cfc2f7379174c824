// What is in the tarball, and whether it loads and compiles for users.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { reached } from '../../scripts/lib/reach.mjs'
import { bin } from '../../scripts/lib/steps.mjs'
import { runNode, temporaryFolder, top } from './folders.js'
import { contents, host, manifest, tarball } from './tarball.js'

const MEGABYTE = 1_000_000

/** Unpacks the tarball into `node_modules/gaiwan` of a new folder. */
function installed(t: ExecutionContext): string {
  const folder = temporaryFolder(t)
  t.is(spawnSync('tar', ['-xzf', tarball()], { cwd: folder }).status, 0)
  mkdirSync(join(folder, 'node_modules'))
  renameSync(join(folder, 'package'), join(folder, 'node_modules/gaiwan'))
  return folder
}

test('the tarball holds what the manifest names, what that imports, the addon of this machine, the texts, and nothing else', (t) => {
  const texts = ['CHANGELOG.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'THIRD-PARTY-LICENSES.md']
  const packed = [...contents(tarball()).keys()].sort()
  t.true(packed.includes(host.prebuild))
  const others = packed.filter((path) => path.endsWith('.node') && path !== host.prebuild)
  t.deepEqual(packed, [...reached(manifest), ...texts, host.prebuild, ...others].sort())
  for (const path of [
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/main.js',
    'dist/addon.cjs',
    'index.cjs',
    'index.d.ts',
    'package.json',
  ]) {
    t.true(packed.includes(path), path)
  }
})

test('an addon has at most 10 MB, the tarball 18 MB', (t) => {
  const sizes = contents(tarball())
  for (const [path, size] of sizes) t.true(size <= (path.endsWith('.node') ? 10 : 1) * MEGABYTE, `${path}: ${size} bytes`)
  const { size } = statSync(tarball())
  t.log(`${size} bytes packed, the addon ${sizes.get(host.prebuild)}`)
  t.true(size <= 18 * MEGABYTE, `${size} bytes`)
})

test('the licences in the tarball are those of the crates in the addon', (t) => {
  const { stdout } = spawnSync('tar', ['-xzOf', tarball(), 'package/THIRD-PARTY-LICENSES.md'], { encoding: 'utf8' })
  for (const crate of ['quinn', 'rustls', 'ring', 'tokio', 'napi', 'blake3']) t.true(stdout.includes(`\n| ${crate} | `), crate)
})

test('no packed file names a folder of this machine', (t) => {
  const folder = installed(t)
  for (const path of contents(tarball()).keys()) {
    t.false(readFileSync(join(folder, 'node_modules/gaiwan', path)).includes(top), `${path} names ${top}`)
  }
})

test('the command starts with a line that names node', (t) => {
  t.regex(readFileSync(join(top, manifest.bin.gaiwan), 'utf8'), /^#!\/usr\/bin\/env node\n/)
})

test('the packed package loads in ESM and in CommonJS, is one and the same there, and warns of nothing', (t) => {
  const folder = installed(t)
  writeFileSync(
    join(folder, 'a.mjs'),
    "import { SecretKey, verify } from 'gaiwan'\nconst k = SecretKey.generate()\nconsole.log(verify(k.id, 'x', k.sign('x')))\n",
  )
  writeFileSync(
    join(folder, 'a.cjs'),
    "const { SecretKey, verify } = require('gaiwan')\nconst k = SecretKey.generate()\nconsole.log(verify(k.id, 'x', k.sign('x')))\n",
  )
  writeFileSync(
    join(folder, 'b.mjs'),
    "import { createRequire } from 'node:module'\nimport * as esm from 'gaiwan'\nconsole.log(createRequire(import.meta.url)('gaiwan').Endpoint === esm.Endpoint)\n",
  )
  for (const name of ['a.mjs', 'a.cjs', 'b.mjs']) {
    t.deepEqual(runNode(folder, [name]), { status: 0, stdout: 'true\n', stderr: '' }, name)
  }
})

test('the packed types compile in a strict ESM and a strict CommonJS program, library check included', (t) => {
  const folder = installed(t)
  const program =
    "import { Endpoint, GaiwanError, type Connection } from 'gaiwan'\nexport const f = async (): Promise<Connection> => (await Endpoint.bind()).connect('', 'a/1')\nexport { GaiwanError }\n"
  writeFileSync(join(folder, 'a.mts'), program)
  writeFileSync(join(folder, 'a.cts'), program)
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    types: ['node'],
    typeRoots: [join(top, 'node_modules/@types')],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['a.mts', 'a.cts'] }))
  const { status, stdout } = runNode(folder, [bin('typescript', 'tsc'), '-p', '.'])
  t.is(status, 0, stdout)
})

test('a module that exports codecs of every kind can have declarations of its own', (t) => {
  const folder = installed(t)
  const program = `import * as r from 'gaiwan/rpc'
export const Row = r.struct({ a: r.u8, o: r.option(r.str), p: r.tuple(r.str, r.u64), m: r.map(r.str, r.set(r.bool)) })
export const Shape = r.enumOf({ A: r.unit, B: r.u8, C: Row })
export const Color = r.enumOf(['Red', 'Green'])
export const Outcome = r.result(r.seq(Row), Shape)
export const Parts = [r.unit, r.option(r.str), r.maybe(Shape), r.brand(r.u32, 'Cup'), r.lazy(() => Row), r.record(Color)] as const
export const When = r.transform(r.i64, { decode: (ms) => new Date(Number(ms)), encode: (date: Date) => BigInt(date.getTime()) })
`
  writeFileSync(join(folder, 'a.mts'), program)
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    strict: true,
    declaration: true,
    outDir: 'out',
    types: ['node'],
    typeRoots: [join(top, 'node_modules/@types')],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['a.mts'] }))
  const { status, stdout } = runNode(folder, [bin('typescript', 'tsc'), '-p', '.'])
  t.is(status, 0, stdout)
  t.regex(readFileSync(join(folder, 'out/a.d.mts'), 'utf8'), /tag: "B";\s*value: number;/)
})
