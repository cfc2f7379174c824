import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { bin, npm } from '../../scripts/lib/steps.mjs'
import { hostTarget } from '../../scripts/lib/targets.mjs'
import { mainManifest } from '../../scripts/manifests.mjs'
import { runNode, temporaryFolder, top } from './folders.js'

const manifest = mainManifest()

function npmPack(t: ExecutionContext, ...args: string[]): { filename: string; files: Array<{ path: string }> } {
  const [command, first] = npm() as [string, string[]]
  const { status, stdout, stderr } = spawnSync(command, [...first, 'pack', '--json', '--ignore-scripts', ...args], {
    cwd: top,
    encoding: 'utf8',
  })
  t.is(status, 0, stderr)
  return JSON.parse(stdout)[0]
}

/** Every string at the leaves of `exports`, `bin` and the like. */
function leaves(value: unknown): string[] {
  if (typeof value === 'string') return [posix.normalize(value)]
  return value && typeof value === 'object' ? Object.values(value).flatMap(leaves) : []
}

/** Packs, unpacks into `node_modules/gaiwan` of a new folder and adds the addon of this machine as a prebuilt file. */
function installed(t: ExecutionContext): string {
  const folder = temporaryFolder(t)
  const { filename } = npmPack(t, '--pack-destination', folder)
  t.is(spawnSync('tar', ['-xzf', filename], { cwd: folder }).status, 0)
  mkdirSync(join(folder, 'node_modules'))
  renameSync(join(folder, 'package'), join(folder, 'node_modules/gaiwan'))
  const host = hostTarget()!
  const prebuilt = join(folder, 'node_modules/gaiwan', host.prebuild)
  mkdirSync(dirname(prebuilt), { recursive: true })
  copyFileSync(join(top, host.file), prebuilt)
  return folder
}

test('every path of the manifest is in the tarball, and so is what the compiled files import', (t) => {
  const { files } = npmPack(t, '--dry-run')
  const paths = new Set(files.map(({ path }) => path))
  for (const path of [...leaves(manifest.exports), ...leaves(manifest.bin), ...leaves(manifest.types)]) t.true(paths.has(path), path)
  for (const path of ['index.cjs', 'index.d.ts', 'README.md', 'CHANGELOG.md', 'LICENSE-MIT', 'LICENSE-APACHE'])
    t.true(paths.has(path), path)
  for (const path of [...paths].filter((path) => /^dist\/.*\.(js|d\.ts)$/.test(path))) {
    for (const [, target] of readFileSync(join(top, path), 'utf8').matchAll(/(?:from |import\(|import |require\()'(\.[^']+)'/g)) {
      const resolved = posix.join(posix.dirname(path), target!)
      const wanted = path.endsWith('.d.ts') ? resolved.replace(/\.js$/, '.d.ts') : resolved
      t.true(paths.has(wanted), `${path} imports ${target}`)
    }
  }
})

test('the tarball holds no source, no test, no build file and nothing with a local path', (t) => {
  const { files } = npmPack(t, '--dry-run')
  for (const { path } of files) {
    t.notRegex(path, /^(ts|crates|scripts|__test__|bench|interop|examples|docs|vectors|npm|target|build)\//)
    t.notRegex(path, /(\.map|\.spec\.[jt]s|binding\.gyp|\.rs|\.toml)$/)
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
