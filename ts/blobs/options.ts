// Options of a store and of what is done with it: shapes, checks, and how they are said natively.
import type { WaitOptions } from '../endpoint/index.js'
import type { NativeAddOptions, NativeExportOptions, NativeStoreOptions } from '../native.js'
import type { BytesLike, Hash } from '../wire/bytes.js'
import { boolean, func, integer, list, MAX_MS, number, oneOf, options as object, signalOf, toBytes } from '../wire/check.js'
import type { BlobFormat, ByteRange } from './info.js'

/** Progress of one import or export. */
export interface FileProgress {
  readonly phase: 'copy' | 'hash' | 'write'
  /** Within a directory: the name at hand; within another store: the hash. */
  readonly name?: string
  readonly bytes: number
  /** Null while unknown. */
  readonly totalBytes: number | null
  /** Of another store: blobs that are done with. */
  readonly blobs?: number
  readonly totalBlobs?: number
}
export interface ProgressOptions extends WaitOptions {
  /** At most 20 calls a second, and once at the end. What it throws ends the operation. */
  readonly onProgress?: (progress: FileProgress) => void
}
export interface AddOptions extends ProgressOptions {
  /** Name that keeps it [one made from the time, in a batch null]; null: only protected while a batch or tag holds it. */
  readonly tag?: BytesLike | null
  /** ['raw'] */
  readonly format?: BlobFormat
}
export interface AddFileOptions extends AddOptions {
  /** Keep a copy, or only a reference to the file, which then must not change ['copy']. */
  readonly mode?: 'copy' | 'reference'
}
export interface AddDirectoryOptions extends Omit<AddFileOptions, 'format'> {
  /** Whether a relative path goes in [all regular files; symlinks never]. */
  readonly filter?: (name: string) => boolean
}
export interface ExportOptions extends ProgressOptions {
  /** Copy out, or move the data there and refer to it ['copy']. */
  readonly mode?: 'copy' | 'reference'
  /** Replace what is there [false: TARGET_EXISTS]. */
  readonly overwrite?: boolean
  /** Check the bytes on the way out [true]. */
  readonly verify?: boolean
}
export interface StoreOptions {
  /** Interval of automatic collection, null for none [null]. */
  readonly gcIntervalMs?: number | null
  /** More hashes that collection must spare. A rejection cancels that run. */
  readonly protect?: () => Iterable<Hash> | AsyncIterable<Hash>
  /** 'sync': acknowledged means on disk, also after power loss ['sync']. */
  readonly durability?: 'sync' | 'relaxed'
  /** Bytes of all blobs; more is STORE_FULL [no limit]. */
  readonly maxBytes?: number
  /** Data up to this size lies in the database [16,384]. */
  readonly inlineDataBytes?: number
  /** Outboards up to this size lie in the database [16,384]. */
  readonly inlineOutboardBytes?: number
}

/** What a store in memory has a use for. */
export type MemoryOptions = Pick<StoreOptions, 'gcIntervalMs' | 'protect' | 'maxBytes'>

/** A row of the database is read as a whole. */
const MAX_INLINE = 2 ** 30
const MODES = ['copy', 'reference'] as const
const FORMATS = ['raw', 'hashSeq'] as const

/** Checked options of a store. */
export interface Settings {
  readonly native: NativeStoreOptions
  readonly gcIntervalMs: number | null
  readonly protect: StoreOptions['protect'] | undefined
}

/** Checks everything that a store takes. */
export function settings(options: StoreOptions | undefined): Settings {
  const { gcIntervalMs = null, protect, durability, maxBytes, inlineDataBytes, inlineOutboardBytes } = object(options)
  const native: NativeStoreOptions = {}
  if (gcIntervalMs !== null) number(gcIntervalMs, 'gcIntervalMs', 1, MAX_MS)
  if (protect !== undefined) func(protect, 'protect')
  if (durability !== undefined) native.durable = oneOf(durability, 'durability', ['sync', 'relaxed']) === 'sync'
  if (maxBytes !== undefined) native.maxBytes = integer(maxBytes, 'maxBytes', 0, Number.MAX_SAFE_INTEGER)
  if (inlineDataBytes !== undefined) native.inlineDataBytes = integer(inlineDataBytes, 'inlineDataBytes', 0, MAX_INLINE)
  if (inlineOutboardBytes !== undefined) {
    native.inlineOutboardBytes = integer(inlineOutboardBytes, 'inlineOutboardBytes', 0, MAX_INLINE)
  }
  return { native, gcIntervalMs, protect }
}

/** Who waits, and who hears of progress. */
export interface Attention {
  readonly signal: AbortSignal | undefined
  readonly onProgress: ProgressOptions['onProgress'] | undefined
}

export function attention(options: ProgressOptions | undefined): Attention {
  const signal = signalOf(options)
  const onProgress = options?.onProgress
  if (onProgress !== undefined) func(onProgress, 'onProgress')
  return { signal, onProgress }
}

export function formatOf(format: BlobFormat | undefined, name = 'format'): BlobFormat {
  return format === undefined ? 'raw' : oneOf(format, name, FORMATS)
}

/** Whether the mode is 'reference'. */
export function isReference(mode: 'copy' | 'reference' | undefined): boolean {
  return mode !== undefined && oneOf(mode, 'mode', MODES) === 'reference'
}

/** Says natively what becomes of what is added. The tag is copied. */
export function adding(options: AddOptions | undefined, batch: number, format: BlobFormat): Omit<NativeAddOptions, 'progress'> {
  const tag = options?.tag
  const hashSeq = format === 'hashSeq'
  if (tag === undefined || tag === null) return { hashSeq, autoTag: tag === undefined && batch === 0, batch }
  return { hashSeq, autoTag: false, batch, tag: Uint8Array.from(toBytes(tag, 'tag')) }
}

export function exporting(options: ExportOptions | undefined): Omit<NativeExportOptions, 'progress'> {
  const { mode, overwrite = false, verify = true } = object(options)
  return { reference: isReference(mode), overwrite: boolean(overwrite, 'overwrite'), verify: boolean(verify, 'verify') }
}

/** Start and end of a range of bytes, an end below 0 for none. */
export function range(value: ByteRange | undefined, name: string): [start: number, end: number] {
  const { start = 0, end } = object(value, name)
  const prefix = name === 'options' ? '' : `${name}.`
  integer(start, `${prefix}start`, 0, Number.MAX_SAFE_INTEGER)
  if (end === undefined) return [start, -1]
  integer(end, `${prefix}end`, 0, Number.MAX_SAFE_INTEGER)
  if (end < start) throw new RangeError(`${prefix}end: expected at least start`)
  return [start, end]
}

/** Ranges, one behind the other; null for all. */
export function ranges(value: readonly ByteRange[] | undefined, name: string): number[] | null {
  if (value === undefined) return null
  return list(value, name).flatMap((one, n) => range(one, `${name}[${n}]`))
}
