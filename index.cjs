'use strict'
// Loads the native addon. CommonJS and written by hand: `require` is what loads a `.node` file,
// and its literal strings are what bundlers look for. `ts/addon.cts` is its only caller; its types are `index.d.ts`.

const { existsSync, readFileSync } = require('node:fs')
const { dirname, join, resolve } = require('node:path')
const { createRequire } = require('node:module')
const { version } = require('./package.json')

/** Node's own `require`, for absolute paths. A bundler puts something else in the place of the one in this file where it sees no literal. */
const requireFile = createRequire(process.execPath)

/** One prebuilt file a target, laid out as prebuildify lays them out. */
const prebuilt = {
  'linux-x64-gnu': () => require('./prebuilds/linux-x64/gaiwan.glibc.node'),
  'linux-x64-musl': () => require('./prebuilds/linux-x64/gaiwan.musl.node'),
  'linux-arm64-gnu': () => require('./prebuilds/linux-arm64/gaiwan.glibc.node'),
  'linux-arm64-musl': () => require('./prebuilds/linux-arm64/gaiwan.musl.node'),
  'linux-arm-gnueabihf': () => require('./prebuilds/linux-arm/gaiwan.armv7.glibc.node'),
  'darwin-x64': () => require('./prebuilds/darwin-x64/gaiwan.node'),
  'darwin-arm64': () => require('./prebuilds/darwin-arm64/gaiwan.node'),
  'win32-x64-msvc': () => require('./prebuilds/win32-x64/gaiwan.node'),
  'win32-arm64-msvc': () => require('./prebuilds/win32-arm64/gaiwan.node'),
  'freebsd-x64': () => require('./prebuilds/freebsd-x64/gaiwan.node'),
}

/** One package a target: its manifest first, so that the version is known before foreign code is loaded. */
const packages = {
  'linux-x64-gnu': [() => require('gaiwan-linux-x64-gnu/package.json'), () => require('gaiwan-linux-x64-gnu')],
  'linux-x64-musl': [() => require('gaiwan-linux-x64-musl/package.json'), () => require('gaiwan-linux-x64-musl')],
  'linux-arm64-gnu': [() => require('gaiwan-linux-arm64-gnu/package.json'), () => require('gaiwan-linux-arm64-gnu')],
  'linux-arm64-musl': [() => require('gaiwan-linux-arm64-musl/package.json'), () => require('gaiwan-linux-arm64-musl')],
  'linux-arm-gnueabihf': [() => require('gaiwan-linux-arm-gnueabihf/package.json'), () => require('gaiwan-linux-arm-gnueabihf')],
  'darwin-x64': [() => require('gaiwan-darwin-x64/package.json'), () => require('gaiwan-darwin-x64')],
  'darwin-arm64': [() => require('gaiwan-darwin-arm64/package.json'), () => require('gaiwan-darwin-arm64')],
  'win32-x64-msvc': [() => require('gaiwan-win32-x64-msvc/package.json'), () => require('gaiwan-win32-x64-msvc')],
  'win32-arm64-msvc': [() => require('gaiwan-win32-arm64-msvc/package.json'), () => require('gaiwan-win32-arm64-msvc')],
  'freebsd-x64': [() => require('gaiwan-freebsd-x64/package.json'), () => require('gaiwan-freebsd-x64')],
}

/** 'gnu' or 'musl' on Linux. The process's own report knows best; the file system is asked when reports are switched off. */
function linuxLibc() {
  try {
    // Without this the report looks up the names of all open sockets, which can take seconds.
    process.report.excludeNetwork = true
    const { header, sharedObjects = [] } = process.report.getReport()
    if (header.glibcVersionRuntime) return 'gnu'
    if (sharedObjects.some((file) => /ld-musl-|libc\.musl-/.test(file))) return 'musl'
  } catch {
    // Fall through to the file system.
  }
  try {
    return /musl/.test(readFileSync('/usr/bin/ldd', 'latin1')) ? 'musl' : 'gnu'
  } catch {
    return existsSync('/etc/alpine-release') ? 'musl' : 'gnu'
  }
}

/** 32-bit ARM: the names of Rust say that floats go in registers. A Node.js for ARMv6 is told apart, since code for ARMv7 may end it. */
function armTriple(libc) {
  const version = Number(process.config?.variables?.arm_version ?? 7)
  return version < 7 ? `linux-armv${version}-${libc}eabihf` : `linux-arm-${libc}eabihf`
}

function hostTriple() {
  const { platform, arch } = process
  if (platform === 'linux') return arch === 'arm' ? armTriple(linuxLibc()) : `linux-${arch}-${linuxLibc()}`
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`
}

const triple = hostTriple()
const tried = []

/** The addon, if it is of this version: one of another would fail later and worse, wherever it lies. */
function ofThisVersion(addon) {
  const found = addon.nativeInfo?.().version
  if (found !== version) throw new Error(`its version is ${found}, but gaiwan is ${version}`)
  return addon
}

/** Runs one way to load; a failure is noted for the final error and the next way is taken. */
function attempt(what, load) {
  try {
    return ofThisVersion(load())
  } catch (cause) {
    tried.push({ what, reason: String(cause?.message ?? cause).split('\n')[0], cause })
    return undefined
  }
}

function notFound(headline, causes) {
  const lines = [headline, `  system: ${process.platform} ${process.arch}, target ${triple}, Node.js ${process.versions.node}`]
  for (const { what, reason } of tried) lines.push(`  tried ${what}: ${reason}`)
  const error = new Error(lines.concat(causes).join('\n'), { cause: tried.at(-1)?.cause })
  error.code = 'NATIVE_NOT_FOUND'
  error.tried = tried.map(({ what, reason }) => ({ what, reason }))
  return error
}

/** A path that the environment names is the only one taken: a typing error must not load some other file. */
function fromEnvironment() {
  for (const name of ['GAIWAN_NATIVE_PATH', 'NAPI_RS_NATIVE_LIBRARY_PATH', 'GAIWAN_PREBUILD']) {
    const value = process.env[name]
    if (!value) continue
    const libc = triple.startsWith('linux-') ? (/-musl(eabihf)?$/.test(triple) ? '.musl' : '.glibc') : ''
    const tags = (process.arch === 'arm' ? '.armv7' : '') + libc
    const inFolder = join('prebuilds', `${process.platform}-${process.arch}`, `gaiwan${tags}.node`)
    const path = resolve(name === 'GAIWAN_PREBUILD' && !value.endsWith('.node') ? join(value, inFolder) : value)
    const addon = attempt(`${path} (from ${name})`, () => requireFile(path))
    if (addon) return addon
    throw notFound(`gaiwan: the environment variable ${name} names a native addon that does not load`, [])
  }
  return undefined
}

/** What `npm run build:native` leaves beside this file in a checkout. */
function fromCheckout() {
  const path = join(__dirname, `gaiwan.${triple}.node`)
  return existsSync(path) ? attempt(path, () => requireFile(path)) : undefined
}

function fromPrebuilds() {
  const load = prebuilt[triple]
  return load && attempt(`prebuilds/ of gaiwan ${version}`, load)
}

function fromPackage() {
  const [manifest, load] = packages[triple] ?? []
  if (!load) return undefined
  return attempt(`package gaiwan-${triple}`, () => {
    const found = manifest().version
    if (found !== version) throw new Error(`its version is ${found}, but gaiwan is ${version}`)
    return load()
  })
}

/** Compiled programs (Electron, Bun, Deno) carry the file next to their executable. */
function fromExecutable() {
  const path = join(dirname(process.execPath), `gaiwan.${triple}.node`)
  return attempt(path, () => {
    if (!existsSync(path)) throw new Error('no such file')
    return requireFile(path)
  })
}

function load() {
  const addon = fromEnvironment() ?? fromCheckout() ?? fromPrebuilds() ?? fromPackage() ?? fromExecutable()
  if (addon) return addon
  if (!packages[triple]) throw notFound(`gaiwan: there is no native addon for ${triple}`, [])
  throw notFound('gaiwan: the native addon is missing', [
    'Usual causes: a lock file written on another system (remove node_modules and the lock file, install again);',
    'an install with --omit=optional or --no-optional; node_modules copied from another system.',
  ])
}

module.exports = load()
