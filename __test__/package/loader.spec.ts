import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { hostTarget, targets } from '../../scripts/lib/targets.mjs'
import { mainManifest } from '../../scripts/manifests.mjs'
import { runNode, temporaryFolder, top } from './folders.js'

const host = hostTarget()!
const { version } = mainManifest()

/** A module that passes for an addon of this version. */
const FAKE = `exports.nativeInfo = () => ({ version: '${version}' }); exports.isFake = true`

interface Outcome {
  names?: string[]
  code?: string
  message?: string
  tried?: Array<{ what: string; reason: string }>
}

/** A folder with the loader and nothing to load. */
function loaderAlone(t: ExecutionContext): string {
  const folder = temporaryFolder(t)
  copyFileSync(join(top, 'index.cjs'), join(folder, 'index.cjs'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'gaiwan', version, type: 'module' }))
  return folder
}

function put(folder: string, path: string, text: string): string {
  const full = join(folder, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, text)
  return full
}

function putAddon(folder: string, path: string): void {
  copyFileSync(join(top, host.file), put(folder, path, ''))
}

/** Loads in a new process, after `before` ran there, and answers the exported names, or what the error says. */
function load(t: ExecutionContext, folder: string, env: Record<string, string> = {}, before = ''): Outcome {
  const program = `
    ${before}
    let outcome
    try { outcome = { names: Object.keys(require('./index.cjs')) } }
    catch ({ code, message, tried }) { outcome = { code, message, tried } }
    console.log(JSON.stringify(outcome))`
  const { status, stdout, stderr } = runNode(folder, ['--input-type=commonjs', '-e', program], env)
  t.is(status, 0, stderr)
  return JSON.parse(stdout)
}

test('with nothing to load, one error lists the system, what was tried and the usual causes', (t) => {
  const { code, message, tried } = load(t, loaderAlone(t))
  t.is(code, 'NATIVE_NOT_FOUND')
  t.is(tried?.length, 3)
  t.regex(tried?.[0]?.what ?? '', /^prebuilds\//)
  t.is(tried?.[1]?.what, `package gaiwan-${host.triple}`)
  t.regex(tried?.[2]?.what ?? '', /gaiwan\..*\.node$/)
  for (const part of [process.platform, process.arch, host.triple, 'lock file', '--omit=optional', 'node_modules copied']) {
    t.true(message?.includes(part), `${part} in: ${message}`)
  }
  for (const { what, reason } of tried!) t.true(message?.includes(`tried ${what}: ${reason}`))
})

test('the build beside the loader comes before the prebuilt file', (t) => {
  const folder = loaderAlone(t)
  put(folder, host.prebuild, 'not an addon')
  putAddon(folder, host.file)
  t.true(load(t, folder).names?.includes('NativeBridge'))
})

test('the prebuilt file comes before the platform package', (t) => {
  const folder = loaderAlone(t)
  putAddon(folder, host.prebuild)
  put(folder, `node_modules/gaiwan-${host.triple}/package.json`, JSON.stringify({ version, main: 'a.js' }))
  put(folder, `node_modules/gaiwan-${host.triple}/a.js`, FAKE)
  t.true(load(t, folder).names?.includes('NativeBridge'))
})

test('the platform package of the same version is loaded', (t) => {
  const folder = loaderAlone(t)
  put(folder, `node_modules/gaiwan-${host.triple}/package.json`, JSON.stringify({ version, main: 'a.js' }))
  put(folder, `node_modules/gaiwan-${host.triple}/a.js`, FAKE)
  t.deepEqual(load(t, folder).names, ['nativeInfo', 'isFake'])
})

test('the platform package of another version is not loaded, and the error names both versions', (t) => {
  const folder = loaderAlone(t)
  put(folder, `node_modules/gaiwan-${host.triple}/package.json`, JSON.stringify({ version: '9.8.7', main: 'a.js' }))
  put(folder, `node_modules/gaiwan-${host.triple}/a.js`, FAKE)
  const { code, tried } = load(t, folder)
  t.is(code, 'NATIVE_NOT_FOUND')
  t.is(tried?.[1]?.reason, `its version is 9.8.7, but gaiwan is ${version}`)
})

test('a path from the environment is the only one tried, and its failure names the variable', (t) => {
  const folder = loaderAlone(t)
  putAddon(folder, host.file)
  for (const name of ['GAIWAN_NATIVE_PATH', 'NAPI_RS_NATIVE_LIBRARY_PATH', 'GAIWAN_PREBUILD']) {
    const { code, message, tried } = load(t, folder, { [name]: join(folder, 'nowhere') })
    t.is(code, 'NATIVE_NOT_FOUND')
    t.is(tried?.length, 1)
    t.true(message?.includes(name), message)
  }
})

test('GAIWAN_NATIVE_PATH comes before the other variables, and GAIWAN_PREBUILD takes a folder with prebuilds/', (t) => {
  const folder = loaderAlone(t)
  const fake = put(folder, 'elsewhere/fake.cjs', FAKE)
  t.deepEqual(load(t, folder, { GAIWAN_NATIVE_PATH: fake, GAIWAN_PREBUILD: 'nowhere' }).names, ['nativeInfo', 'isFake'])
  putAddon(folder, join('other', host.prebuild))
  t.true(load(t, folder, { GAIWAN_PREBUILD: join(folder, 'other') }).names?.includes('NativeBridge'))
})

/** What a Node.js of another system says of itself, as far as the loader asks. */
function pretend({ os, cpu, armv, glibc }: { os: string; cpu: string; armv?: string | undefined; glibc: boolean }): string {
  const report = { header: { glibcVersionRuntime: glibc ? '2.36' : undefined }, sharedObjects: glibc ? [] : ['/lib/ld-musl-any.so.1'] }
  return `
    Object.defineProperties(process, { platform: { value: '${os}' }, arch: { value: '${cpu}' } })
    Object.defineProperty(process, 'config', { value: { variables: { arm_version: ${JSON.stringify(armv ?? null)} ?? undefined } } })
    process.report.getReport = () => (${JSON.stringify(report)})`
}

test('every target is looked for under its own names on a system of that kind', (t) => {
  const folder = loaderAlone(t)
  for (const { triple, os, cpu, armv, libc, prebuild } of targets) {
    const before = pretend({ os, cpu, armv, glibc: libc === 'glibc' })
    const { tried } = load(t, folder, {}, before)
    t.true(tried?.[0]?.reason.includes(prebuild), `${triple}: ${tried?.[0]?.reason}`)
    t.is(tried?.[1]?.what, `package gaiwan-${triple}`)
    const named = load(t, folder, { GAIWAN_PREBUILD: folder }, before)
    t.true(named.tried?.[0]?.what.startsWith(join(folder, prebuild)), `${triple}: ${named.tried?.[0]?.what}`)
  }
})

test('ARM before version 7, and ARM with musl, are not taken for what is shipped', (t) => {
  const folder = loaderAlone(t)
  for (const [system, triple] of [
    [{ os: 'linux', cpu: 'arm', armv: '6', glibc: true }, 'linux-armv6-gnueabihf'],
    [{ os: 'linux', cpu: 'arm', armv: '7', glibc: false }, 'linux-arm-musleabihf'],
  ] as const) {
    const { code, message } = load(t, folder, {}, pretend(system))
    t.is(code, 'NATIVE_NOT_FOUND')
    t.regex(message ?? '', new RegExp(`there is no native addon for ${triple}`))
  }
})

test('an addon of another version is not loaded, from wherever it comes', (t) => {
  const other = "exports.nativeInfo = () => ({ version: '9.8.7' })"
  const reason = `its version is 9.8.7, but gaiwan is ${version}`
  const folder = loaderAlone(t)
  const elsewhere = put(folder, 'elsewhere/other.cjs', other)
  const named = load(t, folder, { GAIWAN_NATIVE_PATH: elsewhere })
  t.is(named.code, 'NATIVE_NOT_FOUND')
  t.is(named.tried?.[0]?.reason, reason)
  // The manifest says one thing and the file another.
  put(folder, `node_modules/gaiwan-${host.triple}/package.json`, JSON.stringify({ version, main: 'a.js' }))
  put(folder, `node_modules/gaiwan-${host.triple}/a.js`, other)
  t.is(load(t, folder).tried?.find(({ what }) => what.startsWith('package'))?.reason, reason)
})
