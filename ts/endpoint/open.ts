// Opening a stream.
import { fromThrown } from '../errors.js'
import { signalOf } from '../wire/check.js'
import type { ConnectionCore } from './connection-core.js'
import type { WaitOptions } from './options.js'
import { checkPriority } from './send.js'

export interface OpenOptions extends WaitOptions {
  /** Higher goes first, signed 32-bit [0]. */
  readonly priority?: number
}

/** At once when the peer has given credit, else when it does. Cancelled it takes no credit. */
export function open<T>(
  core: ConnectionCore,
  isBi: boolean,
  make: (core: ConnectionCore, handle: number) => T,
  options: OpenOptions | undefined,
): Promise<T> {
  try {
    let priority = 0
    let signal: AbortSignal | undefined
    if (options !== undefined) {
      signal = signalOf(options)
      if (options.priority !== undefined) priority = checkPriority(options.priority)
      if (signal?.aborted) return Promise.reject(signal.reason)
    }
    const { bridge, handle: connection } = core
    let handle = 0
    const later = bridge.callUnless(
      (native, id) => {
        handle = isBi ? native.openBi(connection, id, priority) : native.openUni(connection, id, priority)
        return handle > 0
      },
      (opened) => make(core, opened),
      { signal, keep: core },
    )
    return later ?? Promise.resolve(make(core, handle))
  } catch (error) {
    return Promise.reject(error instanceof TypeError || error instanceof RangeError ? error : fromThrown(error))
  }
}
