// What a download tells: shapes.
import type { EndpointId } from '../endpoint/key.js'
import type { GaiwanError } from '../errors.js'
import type { Hash } from '../wire/bytes.js'
import type { BlobInfo } from './info.js'
import type { TransferStats } from './provider.js'

export interface DownloadResult extends BlobInfo {
  /** Bytes that were here before. */
  readonly localBytes: number
  readonly stats: TransferStats
}
export type DownloadProgress =
  | { readonly type: 'connecting'; readonly provider: EndpointId }
  | { readonly type: 'connected'; readonly provider: EndpointId }
  | { readonly type: 'providerFailed'; readonly provider: EndpointId; readonly error: GaiwanError }
  /** The verified size of a blob became known; index 0 is the root. */
  | { readonly type: 'size'; readonly index: number; readonly hash: Hash; readonly size: number }
  /** Verified payload bytes so far, local ones included; total null while unknown. */
  | { readonly type: 'progress'; readonly bytes: number; readonly totalBytes: number | null }
  | { readonly type: 'blobDone'; readonly index: number; readonly hash: Hash }
  | { readonly type: 'done'; readonly result: DownloadResult }
/** What the store lacks of a request. */
export interface LocalInfo {
  readonly isComplete: boolean
  /** Present bytes inside the request. */
  readonly localBytes: number
  /** Hashes not complete; null while the hash sequence itself is missing. */
  readonly missing: readonly Hash[] | null
}
