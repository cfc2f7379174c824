// `gaiwan blob get WHAT`: out of the store, verified on its way; a ticket is fetched into it first.
import { basename, dirname, resolve } from 'node:path'
import { GaiwanError } from '../../index.js'
import { type Call, wrong } from '../args.js'
import { endpointOf } from '../dumbpipe.js'
import { type Output, printable } from '../output.js'
import { type WriteOptions, writeBlob, writeCollection, writeToStdout } from './export.js'
import { fetchAll } from './fetch.js'
import type { Kit, Store } from './kit.js'
import { Meter } from './meter.js'
import { inStore } from './store.js'
import { blobTicketOf, type Content, contentOf, parseContent } from './what.js'

export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const [text = ''] = call.operands
  const target = call.text('output') ?? '-'
  const range = rangeOf(call)
  if (range !== null && target !== '-') throw wrong(call.command, '--range writes to stdout only')
  const meter = new Meter(output, { quiet: call.flag('no-progress') })
  await inStore(call, async (store, kit) => {
    const isTicket = text.startsWith('blob') && parseContent(text) === null && (await store.tags.get(text)) === null
    const content = isTicket ? await fetch(call, kit, store, text, { output, signal, meter }) : await contentOf(call, store, text)
    const options = { overwrite: call.flag('overwrite'), mode: 'copy', signal, meter } as const
    if (target === '-') await writeToStdout(store, await blobOf(store, content), signal, range ?? {})
    else await writeTo(kit, store, content, resolve(target), options, output)
  })
}

/** Bytes `A-B`, B exclusive; either may be left out. */
function rangeOf(call: Call): { start?: number; end?: number } | null {
  const text = call.text('range')
  if (text === undefined) return null
  const [, from, to] = /^(\d*)-(\d*)$/.exec(text) ?? []
  const start = Number(from || 0)
  const end = to ? Number(to) : undefined
  if (from === undefined || !Number.isSafeInteger(start) || (end !== undefined && (!Number.isSafeInteger(end) || end < start))) {
    throw wrong(call.command, '--range takes A-B, A- or -B: bytes A up to, not including, B')
  }
  return { start, ...(end !== undefined && { end }) }
}

/** The blob itself, or the only file of a collection. */
async function blobOf(store: Store, { hash, format }: Content): Promise<string> {
  if (format === 'raw') return hash
  const entries = await store.collection(hash)
  if (entries.length === 1) return entries[0]!.hash
  throw new GaiwanError(
    'COLLECTION_INVALID',
    `stdout takes a single file, and this is a collection of ${entries.length}: give --output DIR`,
  )
}

async function writeTo(
  kit: Kit,
  store: Store,
  { hash, format }: Content,
  path: string,
  options: WriteOptions,
  output: Output,
): Promise<void> {
  if (format === 'hashSeq') {
    const paths = await writeCollection(kit, store, hash, path, options)
    output.report({ event: 'written', hash, format, files: paths.length, path }, `Wrote ${paths.length} files to ${printable(path)}.`)
    return
  }
  await writeBlob(kit, store, hash, dirname(path), basename(path), options)
  output.report({ event: 'written', hash, format, files: 1, path }, `Wrote ${printable(path)}.`)
}

async function fetch(
  call: Call,
  kit: Kit,
  store: Store,
  text: string,
  { output, signal, meter }: { output: Output; signal: AbortSignal; meter: Meter },
): Promise<Content> {
  const ticket = blobTicketOf(call, kit, text)
  const endpoint = await endpointOf(call, output)
  try {
    await fetchAll(kit.transfer(endpoint, store), ticket, { signal, output, meter, retries: 5, entries: null })
  } finally {
    await endpoint.close()
  }
  return ticket
}
