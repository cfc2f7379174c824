// The door to the addon: the only file that loads it. Its types are generated into `index.d.ts`.
import { createRequire } from 'node:module'
import type * as Addon from '../index.js'
import { GaiwanError } from './errors.js'

export type {
  NativeAddOptions,
  NativeAddr,
  NativeBridge,
  NativeConnectOptions,
  NativeEndpointOptions,
  NativeByteRange,
  NativeDownloadOptions,
  NativeExportOptions,
  NativeGossipOptions,
  NativeInfo,
  NativeProviderOptions,
  NativeRoute,
  NativeSecretKey,
  NativeStats,
  NativeStoreOptions,
  NativeTagRange,
  NativeTransport,
} from '../index.js'

function load(): typeof Addon {
  try {
    return createRequire(import.meta.url)('../index.cjs') as typeof Addon
  } catch (cause) {
    throw new GaiwanError('NATIVE_NOT_FOUND', cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/**
 * The addon of this platform.
 *
 * @throws {GaiwanError} while this module loads: `NATIVE_NOT_FOUND`, with what was tried.
 */
export const native: typeof Addon = load()
