// What there is to know of blobs: shapes without behaviour.
import type { Hash } from '../wire/bytes.js'

/** One blob, or a list of hashes with their blobs (a collection is one). */
export type BlobFormat = 'raw' | 'hashSeq'

/** Bytes from `start` [0] up to, not including, `end` [the end]. */
export interface ByteRange {
  readonly start?: number
  readonly end?: number
}

/** A blob; sizes above 2^53 - 1 are BLOB_TOO_LARGE. */
export interface BlobInfo {
  readonly hash: Hash
  /** Bytes. */
  readonly size: number
  readonly format: BlobFormat
}

export interface CollectionEntry {
  readonly name: string
  readonly hash: Hash
  readonly size: number
}

export interface CollectionInfo extends BlobInfo {
  readonly format: 'hashSeq'
  readonly entries: readonly CollectionEntry[]
  /** Bytes of all entries. */
  readonly totalBytes: number
}

/** What the store holds; `ranges` are proven, `size` only once `sizeVerified`. */
export type BlobStatus =
  | { readonly state: 'absent' }
  | {
      readonly state: 'partial'
      readonly size: number | null
      readonly sizeVerified: boolean
      readonly ranges: readonly Required<ByteRange>[]
    }
  | { readonly state: 'complete'; readonly size: number }

/** A row of `list()`. For a partial blob `size` is the best claim; `format` is 'hashSeq' if a tag says so. */
export interface BlobListEntry extends BlobInfo {
  readonly complete: boolean
}

/** What a peer, or the store, holds of one blob. */
export interface Bitfield {
  readonly size: number
  /** False: the size is only a claim. */
  readonly sizeVerified: boolean
  readonly isComplete: boolean
  readonly ranges: readonly Required<ByteRange>[]
}
