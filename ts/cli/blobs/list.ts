// `gaiwan blob list`: what the store holds, as it is found.
import type { Call } from '../args.js'
import type { Output } from '../output.js'
import { inStore } from './store.js'

export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  await inStore(call, async (store) => {
    for await (const { hash, size, format, complete } of store.list()) {
      signal.throwIfAborted()
      // For a blob that is not whole the size is what somebody claimed.
      output.report({ event: 'blob', hash, size, format, complete }, `${hash}  ${String(size).padStart(15)}${complete ? '' : '  partial'}`)
    }
  })
}
