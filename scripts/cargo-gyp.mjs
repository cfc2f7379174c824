#!/usr/bin/env node
// Stands where prebuildify expects node-gyp. Prebuildify says in the environment which system it wants and then takes the first
// `.node` file in build/Release; this builds the addon for that system with cargo, unless it lies at the top already, and puts it there.
// Agrees with prebuildify 6.0.1, index.js: `PREBUILD_PLATFORM`, `PREBUILD_ARCH`, `PREBUILD_LIBC`.
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildNative, nativeAddon } from './build-native.mjs'
import { main, root, StepFailed } from './lib/steps.mjs'
import { targetFor } from './lib/targets.mjs'

await main(async () => {
  const { PREBUILD_PLATFORM: os, PREBUILD_ARCH: cpu, PREBUILD_LIBC: libc, GAIWAN_REUSE: reuse } = process.env
  const target = targetFor(os, cpu, libc)
  if (!target) throw new StepFailed(`there is no target for ${os} ${cpu} ${libc}`)
  const artifact = join(root, target.file)
  if (!(reuse === '1' && existsSync(artifact)) && !nativeAddon(target).fresh) await buildNative(target)
  const output = join(root, 'build/Release')
  mkdirSync(output, { recursive: true })
  copyFileSync(artifact, join(output, 'gaiwan.node'))
})
