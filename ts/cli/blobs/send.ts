// `gaiwan send PATH...`: imports by reference, prints a ticket, serves until interrupted.
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Call } from '../args.js'
import { endpointOf } from '../dumbpipe.js'
import { bytesText, type Output, printable } from '../output.js'
import { type Imported, importSources } from './import.js'
import { blobKit } from './kit.js'
import { Meter } from './meter.js'
import { Peers } from './peers.js'
import { makeDirectory, temporaryDirectory } from './places.js'
import { provide, provideOptions } from './provide.js'
import { lookAt, type Sources } from './sources.js'

/** Nothing is served before all is imported, and the store of this run goes when it ends. */
export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const options = provideOptions(call)
  const kit = await blobKit()
  const quiet = call.flag('no-progress')
  const sources = await lookAt(call.operands, signal)
  warnOfSkipped(sources, output)
  // Bound before the import, which may be long: a wrong address is told at once. Without ALPNs it refuses everybody.
  const endpoint = await endpointOf(call, output)
  try {
    await inStore(call, async (directory, kept) => {
      const store = await kit.open(directory)
      try {
        const imported = await importSources(store, sources, { mode: 'reference', signal, meter: new Meter(output, { quiet }) })
        const peers = new Peers(output, new Map(imported.entries.map(({ hash, name }) => [hash, name])), { quiet })
        const blobs = kit.transfer(endpoint, store, { ...options, onEvent: peers.on })
        await provide(endpoint, kit, blobs, signal, () => {
          tell(
            imported,
            sources,
            blobs.ticket(imported.hash, 'hashSeq'),
            { id: endpoint.id, addresses: endpoint.addr.addresses ?? [] },
            output,
          )
          if (kept) output.hint(`Kept in the store ${printable(directory)}.`)
        })
        output.note({ event: 'closed', sent: peers.sent }, `${bytesText(peers.sent)} sent.`)
      } finally {
        await store.close()
      }
    })
  } finally {
    await endpoint.close()
  }
}

/** Runs `use` with the folder of `--store`, or with one that is removed afterwards. */
async function inStore(call: Call, use: (directory: string, kept: boolean) => Promise<void>): Promise<void> {
  const chosen = call.text('store')
  if (chosen !== undefined) {
    const directory = resolve(chosen)
    await makeDirectory(directory)
    return await use(directory, true)
  }
  const directory = await temporaryDirectory()
  try {
    await use(directory, false)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function warnOfSkipped({ skipped: { count, some } }: Sources, output: Output): void {
  if (count === 0) return
  const more = count > some.length ? ` and ${count - some.length} more` : ''
  const line = `Left out, since they are no regular files: ${some.map((path) => printable(path)).join(', ')}${more}`
  output.tell({ event: 'skipped', count, paths: some }, line)
}

function tell(
  { hash, entries, totalBytes }: Imported,
  { list }: Sources,
  ticket: string,
  { id, addresses }: { id: string; addresses: readonly string[] },
  output: Output,
): void {
  const files = entries.length
  const what = list.length === 1 ? `${list[0]!.kind === 'file' ? 'file' : 'folder'} ${printable(list[0]!.path)}` : `${list.length} paths`
  output.report(
    { event: 'listening', id, ticket, addresses: [...addresses], hash, format: 'hashSeq', files, bytes: totalBytes },
    `Serving ${what}: ${files === 1 ? '1 file' : `${files} files`}, ${bytesText(totalBytes)}, hash ${hash}`,
    'To get this, use:',
    `gaiwan receive ${ticket}`,
  )
}
