// Fetches into a store, over lost connections, and shows how far it is.
import { setTimeout as sleep } from 'node:timers/promises'
import type { BlobTicketInfo, CollectionEntry, DownloadOptions, DownloadProgress, DownloadResult } from '../../blobs/index.js'
import { type ErrorCode, GaiwanError } from '../../index.js'
import { short } from '../dumbpipe.js'
import { explain, type Output } from '../output.js'
import type { Store, Transfer } from './kit.js'
import type { Meter } from './meter.js'

export interface FetchOptions {
  readonly signal: AbortSignal
  readonly output: Pick<Output, 'note' | 'tell'>
  readonly meter: Meter
  /** Tries in a row that bring no byte, after a connection was there once. */
  readonly retries: number
  /** Names and hashes, where they are known: for counting files. */
  readonly entries: readonly CollectionEntry[] | null
  /** As `download` takes it. */
  readonly tag?: string | null
  /** Waits before the nth try; for tests. */
  readonly pauseMs?: (n: number) => number
}

/** Worth another try: the way to the peer, not what it says. */
const PASSING: readonly ErrorCode[] = [
  'CONNECTION_LOST',
  'CONNECTION_CLOSED',
  'CONNECTION_REFUSED',
  'HANDSHAKE_TIMEOUT',
  'NO_PROVIDER',
  'PROVIDER_BUSY',
  'STREAM_RESET',
  'TIMEOUT',
]
/** 32 bytes for each of 2^20 entries: what a root, and what the names of a collection may take. */
const MAX_HEAD_BYTES = 32 << 20

/**
 * Fetches all that a ticket names. What was verified stays in the store, whatever happens.
 *
 * @throws {GaiwanError} codes of `download`; the signal's reason.
 */
export async function fetchAll(
  blobs: Pick<Transfer, 'download' | 'local'>,
  ticket: BlobTicketInfo,
  options: FetchOptions,
): Promise<DownloadResult> {
  const { signal, output, retries, pauseMs = (n) => Math.min(30_000, 1_000 * 2 ** (n - 1)) } = options
  const files = await filesHere(blobs, ticket, options.entries)
  let connected = false
  let failures = 0
  for (;;) {
    const before = options.meter.bytes
    try {
      const download = blobs.download(sourceOf(ticket), downloadOptions(options))
      for await (const event of download) {
        if (event.type === 'connected') connected = true
        show(event, files, options)
      }
      const result = await download
      options.meter.done()
      return result
    } catch (error) {
      if (signal.aborted) throw signal.reason
      options.meter.done()
      failures = options.meter.bytes > before ? 1 : failures + 1
      // Who never answered will hardly do so now; who was there may come back.
      if (!connected || failures > retries || !isPassing(error)) throw error
      const ms = pauseMs(failures)
      const { code, message } = explain(error)
      output.tell({ event: 'retry', code, message, inMs: ms }, `${message}; trying again in ${Math.round(ms / 1000)} s`)
      await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}

/** A list of providers that all failed is as passing as one of its failures. */
function isPassing(error: unknown): boolean {
  if (!GaiwanError.is(error, ...PASSING)) return false
  if (error.code !== 'NO_PROVIDER' || !(error.cause instanceof AggregateError)) return true
  return error.cause.errors.some(isPassing)
}

function sourceOf({ hash, format, addr }: BlobTicketInfo) {
  return { hash, format, providers: [addr] }
}

function downloadOptions({ signal, tag }: FetchOptions): DownloadOptions {
  return { signal, sizes: true, ...(tag !== undefined && { tag }) }
}

interface Files {
  done: number
  readonly total: number | null
}

/** How many files of a collection are whole already. */
async function filesHere(
  blobs: Pick<Transfer, 'local'>,
  { hash, format }: BlobTicketInfo,
  entries: readonly CollectionEntry[] | null,
): Promise<Files> {
  if (entries === null) return { done: 0, total: null }
  const { missing } = await blobs.local({ hash, format })
  if (missing === null) return { done: 0, total: entries.length }
  const lacking = new Set(missing)
  return { done: entries.filter((entry) => !lacking.has(entry.hash)).length, total: entries.length }
}

function show(event: DownloadProgress, files: Files, { signal, output, meter, entries }: FetchOptions): void {
  // Who interrupts knows why everything fails.
  if (signal.aborted) return
  if (event.type === 'connecting' || event.type === 'connected') {
    const doing = event.type === 'connecting' ? 'Connecting' : 'Connected'
    output.note({ event: event.type, provider: event.provider }, `${doing} to ${short(event.provider)}.`)
  } else if (event.type === 'providerFailed') {
    const { code, message } = explain(event.error)
    output.tell({ event: event.type, provider: event.provider, code, message }, `${short(event.provider)}: ${message}`)
  } else if (event.type === 'blobDone') {
    // The root and the names are no files of the user.
    if (entries !== null && event.index >= 2) files.done = Math.min(entries.length, files.done + 1)
  } else if (event.type === 'progress') {
    const counted = files.total !== null && files.total > 1 && { files: files.done, totalFiles: files.total }
    meter.update({ phase: 'fetching', bytes: event.bytes, totalBytes: event.totalBytes, ...counted })
  }
}

/**
 * Fetches only the root of a collection and its names, so that they can be looked at before the rest. Null if that cannot be done:
 * a provider may serve the collection and not its first part alone, and then the names come with the rest.
 *
 * @throws {GaiwanError} `COLLECTION_INVALID`, `BLOB_TOO_LARGE`, codes of `download`.
 */
export async function fetchNames(
  blobs: Transfer,
  store: Store,
  { hash, addr }: BlobTicketInfo,
  signal: AbortSignal,
): Promise<CollectionEntry[] | null> {
  const head = { signal, tag: null, maxBytes: MAX_HEAD_BYTES }
  const { size } = await blobs.download({ hash, providers: [addr] }, head)
  if (size < 32 || size % 32 !== 0)
    throw new GaiwanError('COLLECTION_INVALID', 'the ticket names no collection: its first blob is no list of hashes')
  const names = await firstHash(store, hash, signal)
  try {
    await blobs.download({ hash: names, providers: [addr] }, head)
    return await store.collection(hash)
  } catch (error) {
    if (!GaiwanError.is(error) || GaiwanError.is(error, 'COLLECTION_INVALID', 'BLOB_TOO_LARGE', 'HASH_MISMATCH')) throw error
    return null
  }
}

/** The hash of the names: the first in the list. */
async function firstHash(store: Store, hash: string, signal: AbortSignal): Promise<string> {
  const first: Uint8Array[] = []
  for await (const chunk of store.read(hash, { start: 0, end: 32, signal })) first.push(chunk)
  return Buffer.concat(first).toString('hex')
}
