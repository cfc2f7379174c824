#!/usr/bin/env node
// Stands where prebuildify expects node-gyp. Prebuildify says in the environment which system it wants and then takes the first
// `.node` file in build/Release of the folder it works in; this puts the addon there that `GAIWAN_ADDON` names, else the one it builds
// for that system.
// Agrees with prebuildify 6.0.1, index.js: `PREBUILD_PLATFORM`, `PREBUILD_ARCH`, `PREBUILD_LIBC`.
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildNative, nativeAddon } from './build-native.mjs'
import { main, root, StepFailed } from './lib/steps.mjs'
import { targetFor } from './lib/targets.mjs'

await main(async () => {
  const { PREBUILD_PLATFORM: os, PREBUILD_ARCH: cpu, PREBUILD_LIBC: libc, GAIWAN_ADDON: given } = process.env
  const target = targetFor(os, cpu, libc)
  if (!target) throw new StepFailed(`there is no target for ${os} ${cpu} ${libc}`)
  if (!given && !nativeAddon(target).fresh) await buildNative(target)
  const output = 'build/Release'
  mkdirSync(output, { recursive: true })
  copyFileSync(given || join(root, target.file), join(output, 'gaiwan.node'))
})
