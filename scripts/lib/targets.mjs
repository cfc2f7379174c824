// The systems gaiwan ships for, and what each layout calls them.
import { existsSync } from 'node:fs'

const MSVC = 'needs the linker and libraries of Microsoft: the release workflow builds it on Windows'

/**
 * `triple` names the platform package and the file in it, `rust` is cargo's target, `prebuild` the path in prebuildify's layout.
 * The main package carries the prebuilt files of the Linux servers itself (`carried`); the others come from their packages.
 * `glibc` and `macos` are the newest that the published file may ask for, `armv` the least version of a 32-bit ARM processor, and `elsewhere`
 * says why `npm run build:all` leaves a target to a machine of another kind.
 */
export const targets = [
  { triple: 'linux-x64-gnu', rust: 'x86_64-unknown-linux-gnu', os: 'linux', cpu: 'x64', libc: 'glibc', glibc: '2.17', carried: true },
  { triple: 'linux-x64-musl', rust: 'x86_64-unknown-linux-musl', os: 'linux', cpu: 'x64', libc: 'musl', carried: true },
  { triple: 'linux-arm64-gnu', rust: 'aarch64-unknown-linux-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc', glibc: '2.17', carried: true },
  { triple: 'linux-arm64-musl', rust: 'aarch64-unknown-linux-musl', os: 'linux', cpu: 'arm64', libc: 'musl', carried: true },
  {
    triple: 'linux-arm-gnueabihf',
    rust: 'armv7-unknown-linux-gnueabihf',
    os: 'linux',
    cpu: 'arm',
    libc: 'glibc',
    glibc: '2.17',
    armv: '7',
  },
  { triple: 'darwin-x64', rust: 'x86_64-apple-darwin', os: 'darwin', cpu: 'x64', macos: '11.0' },
  { triple: 'darwin-arm64', rust: 'aarch64-apple-darwin', os: 'darwin', cpu: 'arm64', macos: '11.0' },
  { triple: 'win32-x64-msvc', rust: 'x86_64-pc-windows-msvc', os: 'win32', cpu: 'x64', elsewhere: MSVC },
  { triple: 'win32-arm64-msvc', rust: 'aarch64-pc-windows-msvc', os: 'win32', cpu: 'arm64', elsewhere: MSVC },
  { triple: 'freebsd-x64', rust: 'x86_64-unknown-freebsd', os: 'freebsd', cpu: 'x64' },
].map((target) => ({
  ...target,
  file: `gaiwan.${target.triple}.node`,
  prebuild: `prebuilds/${target.os}-${target.cpu}/${prebuildName(target)}`,
}))

/** The name and its tags in the order of prebuildify 6.0.1, `prebuildName`; node-gyp-build reads them. */
function prebuildName({ libc, armv }) {
  return ['gaiwan', ...(armv ? [`armv${armv}`] : []), ...(libc ? [libc] : []), 'node'].join('.')
}

function hostLibc() {
  if (process.platform !== 'linux') return undefined
  process.report.excludeNetwork = true
  if (process.report.getReport().header.glibcVersionRuntime) return 'glibc'
  return existsSync('/etc/alpine-release') ? 'musl' : 'glibc'
}

/** The target of this machine, or undefined where gaiwan does not ship. */
export function hostTarget() {
  const libc = hostLibc()
  return targets.find(({ os, cpu, libc: its }) => os === process.platform && cpu === process.arch && its === libc)
}

/** The target for an operating system, a processor and, on Linux, a libc as prebuildify spells them. */
export function targetFor(os, cpu, libc) {
  return targets.find((target) => target.os === os && target.cpu === cpu && (os !== 'linux' || target.libc === libc))
}
