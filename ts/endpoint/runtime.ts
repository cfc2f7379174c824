// The threads of the native core.
import { native } from '../native.js'
import { integer, options as checkOptions } from '../wire/check.js'

/** More threads than this help no machine. */
const MAX_WORKERS = 1_024

/** Threads of the native runtime, 1 is the fast choice for most programs [1]. Before the first endpoint, else `TypeError`. */
export function configureRuntime(options: { readonly workers?: number }): void {
  const { workers } = checkOptions(options)
  if (workers === undefined) return
  integer(workers, 'workers', 1, MAX_WORKERS)
  try {
    native.configureRuntime(workers)
  } catch {
    throw new TypeError('configureRuntime: expected to be called before the first endpoint')
  }
}
