import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import test from 'ava'
import { top } from './folders.js'

// The floors of the house. Each uses the floors beneath it; rooms on one floor do not call each other.
// `index.js` is the ground: the generated types of the addon.
const FLOORS: string[][] = [
  ['index.js'],
  ['addon.cts'],
  ['errors.ts'],
  ['native.ts', 'wire'],
  ['endpoint'],
  ['router'],
  ['blobs', 'gossip', 'rpc', 'automerge'],
  ['docs'],
  ['index.ts'],
  ['cli'],
]
/** Packages that a room may import: optional peer dependencies of its users. */
const PEERS: Readonly<Record<string, RegExp>> = { automerge: /^@automerge\/automerge(-repo)?\/slim$/ }
const CELLARS = [['gaiwan-base'], ['gaiwan-endpoint'], ['gaiwan-blobs', 'gaiwan-gossip'], ['gaiwan-docs'], ['gaiwan-node']]

const floorOf = (floors: string[][], room: string) => floors.findIndex((rooms) => rooms.includes(room))

/** The room of a path relative to ts/: its first folder, or the file itself at the top. */
function roomOf(path: string): string {
  return path === '../index.js' ? 'index.js' : path.includes('/') ? path.split('/')[0]! : path
}

function sources(): string[] {
  const names = readdirSync(join(top, 'ts'), { recursive: true, encoding: 'utf8' })
  return names.map((name) => name.replaceAll('\\', '/')).filter((name) => /\.c?ts$/.test(name))
}

/** What a source file imports, types included, relative to ts/ when it is ours. */
function imports(file: string): string[] {
  const text = readFileSync(join(top, 'ts', file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const found = [
    ...text.matchAll(
      /^\s*(?:import|export)\b[^'"]*?from\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm,
    ),
  ]
  return found.map(([, a, b, c]) => (a ?? b ?? c)!).map((name) => (name.startsWith('.') ? posix.join(posix.dirname(file), name) : name))
}

interface Metadata {
  packages: Array<{
    name: string
    publish: string[] | null
    manifest_path: string
    dependencies: Array<{ name: string; kind: string | null }>
  }>
}

function cargo(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('cargo', args, { cwd: top, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

const shipping = () => {
  const { packages } = JSON.parse(cargo('metadata', '--locked', '--no-deps', '--format-version', '1')) as Metadata
  return packages.filter(({ manifest_path }) => dirname(dirname(manifest_path)) === join(top, 'crates'))
}

test('each TypeScript room uses only the floors beneath it', (t) => {
  const files = sources()
  t.true(files.length > 10)
  for (const file of files) {
    const here = floorOf(FLOORS, roomOf(file))
    t.not(here, -1, `${file} stands on no floor: add its room here and to ARCHITECTURE.md`)
    for (const name of imports(file)) {
      const source = name.replace(/\.(c?)js$/, '.$1ts')
      if (!name.startsWith('../') && !existsSync(join(top, 'ts', source))) {
        t.true(
          name.startsWith('node:') || PEERS[roomOf(file)]?.test(name) === true,
          `${file} imports ${name}: there are no runtime dependencies`,
        )
        continue
      }
      const room = roomOf(name.startsWith('../') ? name : source)
      if (room === roomOf(file)) continue
      const there = floorOf(FLOORS, room)
      t.true(there !== -1 && there < here, `${file} may not import ${name}`)
    }
  }
})

test('only ts/native.ts and its door touch the addon, others know its types', (t) => {
  for (const file of sources().filter((file) => file !== 'addon.cts')) {
    const text = readFileSync(join(top, 'ts', file), 'utf8')
    t.notRegex(text, /index\.cjs|createRequire/, file)
    t.is(/addon\.cjs/.test(text), file === 'native.ts', file)
  }
})

test('each crate uses only the floors beneath it, and none is published', (t) => {
  const crates = shipping()
  t.true(crates.length >= 3)
  for (const { name, publish, dependencies } of crates) {
    t.deepEqual(publish, [], `${name} has publish = false`)
    const here = floorOf(CELLARS, name)
    t.not(here, -1, `${name} stands on no floor`)
    for (const dependency of dependencies.filter((one) => one.name.startsWith('gaiwan-'))) {
      const there = floorOf(CELLARS, dependency.name)
      t.true(there !== -1 && there < here, `${name} may not use ${dependency.name}`)
    }
  }
})

test('only crates/node names napi', (t) => {
  for (const { name, dependencies } of shipping()) {
    t.is(
      dependencies.some((one) => /^napi/.test(one.name)),
      name === 'gaiwan-node',
      name,
    )
  }
})

test('neither iroh nor its QUIC stack is in what ships', (t) => {
  const names = new Set(
    cargo('tree', '--locked', '-p', 'gaiwan-node', '--edges', 'normal,build', '--target', 'all', '--prefix', 'none', '--format', '{p}')
      .split('\n')
      .map((line) => line.split(' ')[0]),
  )
  t.true(names.has('quinn-proto'))
  for (const foreign of ['iroh', 'iroh-relay', 'noq', 'noq-proto', 'noq-udp']) t.false(names.has(foreign), foreign)
})

test('ARCHITECTURE.md names every room and crate', (t) => {
  const page = readFileSync(join(top, 'ARCHITECTURE.md'), 'utf8')
  for (const room of new Set(sources().map(roomOf))) t.true(page.includes(`ts/${room}`), `ts/${room}`)
  for (const { name } of shipping()) t.true(page.includes(name.replace('gaiwan-', 'crates/')), name)
})
