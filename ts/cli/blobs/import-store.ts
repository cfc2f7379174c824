// `gaiwan blob import DIR`: the store of an iroh program, into the store; fails when something of it did not come.
import type { FileProgress, StoreImport } from '../../blobs/index.js'
import type { Call } from '../args.js'
import { bytesText, type Output, printable } from '../output.js'
import { Meter } from './meter.js'
import { inStore } from './store.js'

export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const meter = new Meter(output, { quiet: call.flag('no-progress') })
  const mode = call.flag('reference') ? 'reference' : 'copy'
  const onProgress = ({ phase, bytes, totalBytes, blobs, totalBlobs, name }: FileProgress) =>
    meter.update({
      phase: phase === 'hash' ? 'hashing' : 'copying',
      bytes,
      totalBytes,
      ...(blobs !== undefined && totalBlobs !== undefined && { blobs, totalBlobs }),
      ...(name !== undefined && { name }),
    })
  const imported = await inStore(call, (store) => store.importStore(call.operands[0]!, { mode, signal, onProgress }))
  meter.done()
  report(imported, output)
  const { length } = imported.failed
  if (length > 0)
    throw new Error(length === 1 ? 'one thing did not come, or not all of it' : `${length} things did not come, or not all of them`)
}

function report({ failed, ...came }: StoreImport, output: Output): void {
  for (const { hash, message } of failed) output.report({ event: 'failed', hash, message }, `${hash}  ${printable(message)}`)
  const { blobs, bytes, partial, tags } = came
  const parts = [count(blobs, 'blob'), ...(partial > 0 ? [count(partial, 'partial blob')] : []), count(tags, 'tag')]
  output.report({ event: 'imported', ...came, failed: failed.length }, `Imported ${parts.join(', ')}, ${bytesText(bytes)}.`)
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
