// `gaiwan receive TICKET [DIR]`: fetches what a ticket names, and writes it once all of it is here and verified.
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { BlobTicketInfo, CollectionEntry } from '../../blobs/index.js'
import { GaiwanError } from '../../index.js'
import { type Call, wrong } from '../args.js'
import { endpointOf } from '../dumbpipe.js'
import { bytesText, Interrupted, type Output, printable } from '../output.js'
import { checkTargets, type WriteOptions, writeBlob, writeCollection, writeToStdout } from './export.js'
import { fetchAll, fetchNames } from './fetch.js'
import { blobKit, type Kit, type Store, type Transfer } from './kit.js'
import { Meter } from './meter.js'
import { makeDirectory, receiveDirectory } from './places.js'
import { blobTicketOf } from './what.js'

/** What a call asks for. */
interface Job {
  readonly kit: Kit
  readonly ticket: BlobTicketInfo
  /** Null: stdout. */
  readonly directory: string | null
  /** Name of a single blob. */
  readonly name: string
  readonly retries: number
  /** Where it is kept meanwhile. */
  readonly place: string
  /** Whether it is kept afterwards too: in a store of the user's. */
  readonly kept: boolean
  /** Bytes of it that are in the store; null while unknown, and then it must not be removed: it may be somebody else's. */
  held: number | null
  readonly output: Output
  readonly options: WriteOptions
}

export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const job = jobOf(call, output, signal, await blobKit())
  let done = false
  try {
    await receive(call, job)
    done = true
  } finally {
    const { held, kept, place } = job
    if (!done && held !== null && held > 0) tellHowToGoOn(call, job, held)
    else if (!kept && held !== null) await rm(place, { recursive: true, force: true })
  }
}

function jobOf(call: Call, output: Output, signal: AbortSignal, kit: Kit): Job {
  const [text = '', operand] = call.operands
  const ticket = blobTicketOf(call, kit, text)
  const option = call.text('output')
  if (operand !== undefined && option !== undefined) throw wrong(call.command, 'DIR and --output say the same: give one of them')
  const target = operand ?? option ?? '.'
  const retries = Number(call.text('retries') ?? 5)
  if (!Number.isSafeInteger(retries) || retries < 0) throw wrong(call.command, '--retries takes a number of tries')
  const store = call.text('store')
  const kept = store !== undefined
  return {
    kit,
    ticket,
    directory: target === '-' ? null : resolve(target),
    name: call.text('name') ?? ticket.hash,
    retries,
    place: kept ? resolve(store) : receiveDirectory(ticket.hash, ticket.format),
    kept,
    held: null,
    output,
    options: {
      overwrite: call.flag('overwrite'),
      mode: kept ? 'copy' : 'reference',
      signal,
      meter: new Meter(output, { quiet: call.flag('no-progress') }),
    },
  }
}

async function receive(call: Call, job: Job): Promise<void> {
  const { kit, place, output } = job
  const endpoint = await endpointOf(call, output)
  try {
    await makeDirectory(place)
    const store = await kit.open(place)
    try {
      await fetchChecked(kit.transfer(endpoint, store), store, job)
      // Nobody is waited for while files are written.
      await endpoint.close()
      await write(store, job)
    } finally {
      await store.close()
    }
  } finally {
    await endpoint.close()
  }
}

/** Fetches, after everything that would stop the writing has been looked for. */
async function fetchChecked(blobs: Transfer, store: Store, job: Job): Promise<void> {
  const { kit, ticket, directory, name, retries, output, kept, options } = job
  const { signal, meter } = options
  const { localBytes, isComplete } = await blobs.local({ hash: ticket.hash, format: ticket.format })
  job.held = localBytes
  let entries: CollectionEntry[] | null = null
  if (ticket.format === 'hashSeq')
    entries = isComplete ? await store.collection(ticket.hash) : await fetchNames(blobs, store, ticket, signal)
  if (directory === null) {
    if (ticket.format === 'raw' || entries !== null) single(ticket, entries)
  } else if (ticket.format === 'raw') await checkTargets(kit, [{ name, hash: ticket.hash }], directory, options)
  else if (entries !== null) await checkTargets(kit, entries, directory, options)
  const what =
    entries === null ? (ticket.format === 'raw' ? 'a blob' : 'a collection') : entries.length === 1 ? '1 file' : `${entries.length} files`
  output.tell(
    { event: 'fetching', hash: ticket.hash, format: ticket.format, files: entries?.length ?? null, localBytes },
    `Fetching ${what}${localBytes > 0 ? `, ${bytesText(localBytes)} are here already` : ''}.`,
  )
  meter.update({ phase: 'fetching', bytes: localBytes, totalBytes: null })
  try {
    const { size, stats } = await fetchAll(blobs, ticket, { signal, output, meter, retries, entries, ...(!kept && { tag: null }) })
    const { payloadBytesRead: bytes, elapsedMs } = stats
    const rate = bytesText(Math.round((bytes * 1000) / Math.max(1, elapsedMs)))
    output.tell({ event: 'fetched', size, bytes, elapsedMs }, `${bytesText(bytes)} in ${(elapsedMs / 1000).toFixed(1)} s, ${rate}/s.`)
  } finally {
    job.held = meter.bytes
  }
}

/** The one blob that stdout gets. */
function single({ hash, format }: BlobTicketInfo, entries: readonly CollectionEntry[] | null): string {
  if (format === 'raw') return hash
  if (entries?.length === 1) return entries[0]!.hash
  throw new GaiwanError('COLLECTION_INVALID', `stdout takes a single file, and this is a collection of ${entries?.length ?? 'several'}`)
}

async function write(store: Store, { kit, ticket, directory, name, output, options }: Job): Promise<void> {
  const { hash, format } = ticket
  if (directory === null) {
    const entries = format === 'hashSeq' ? await store.collection(hash) : null
    return await writeToStdout(store, single(ticket, entries), options.signal)
  }
  const paths =
    format === 'raw'
      ? [await writeBlob(kit, store, hash, directory, name, options)]
      : await writeCollection(kit, store, hash, directory, options)
  const files = paths.length
  output.report(
    { event: 'received', hash, format, files, directory },
    `Received ${files === 1 ? printable(paths[0]!) : `${files} files in ${printable(directory)}`}.`,
  )
}

/** What arrived is kept, and the same command goes on from there. */
function tellHowToGoOn(call: Call, { place, output, options }: Job, held: number): void {
  const flags = ['output', 'name', 'store', 'secret'].flatMap((name) => {
    const value = call.text(name)
    return value === undefined ? [] : [`--${name}`, quoted(value)]
  })
  const binds = call.texts('bind').flatMap((address) => ['--bind', quoted(address)])
  const overwrite = options.overwrite ? ['--overwrite'] : []
  const command = ['gaiwan receive', ...call.operands.map(quoted), ...flags, ...binds, ...overwrite].join(' ')
  const interrupted = options.signal.reason instanceof Interrupted
  output.tell({ event: 'kept', bytes: held, store: place, interrupted }, `${bytesText(held)} are kept in ${printable(place)}. To go on:`)
  output.say(command)
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
