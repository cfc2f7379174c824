// The door to the addon: only this file and `addon.cts` beside it load it. Its types are generated into `index.d.ts`.
import type * as Addon from '../index.js'
import addon from './addon.cjs'
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

function open(): typeof Addon {
  try {
    return addon.load()
  } catch (cause) {
    throw new GaiwanError('NATIVE_NOT_FOUND', cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/**
 * The addon of this platform.
 *
 * @throws {GaiwanError} while this module loads: `NATIVE_NOT_FOUND`, with what was tried.
 */
export const native: typeof Addon = open()
