// `gaiwan blob gc`: deletes what no tag holds.
import type { Call } from '../args.js'
import { bytesText, type Output } from '../output.js'
import { inStore } from './store.js'

export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const { deleted, bytes } = await inStore(call, (store) => store.gc({ signal }))
  output.report({ event: 'collected', deleted, bytes }, `Deleted ${deleted === 1 ? '1 blob' : `${deleted} blobs`}, ${bytesText(bytes)}.`)
}
