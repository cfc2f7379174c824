// Verified content by hash: what this room offers.
export type { Batch } from './batch.js'
export { hash, hashFile } from './hash.js'
export type { StoreImport, StoreImportOptions } from './import.js'
export type {
  Bitfield,
  BlobFormat,
  BlobInfo,
  BlobListEntry,
  BlobStatus,
  ByteRange,
  CollectionEntry,
  CollectionInfo,
} from './info.js'
export type {
  AddDirectoryOptions,
  AddFileOptions,
  AddOptions,
  ExportOptions,
  FileProgress,
  ProgressOptions,
  StoreOptions,
} from './options.js'
export { ALPN } from './protocol.js'
export type { BlobReader } from './reader.js'
export { BlobStore } from './store.js'
export type { Tag, TagRange, Tags } from './tags.js'
export { BlobTicket, type BlobTicketInfo } from './ticket.js'
export type { VerifyEvent, VerifyOptions } from './verify.js'
export { Blobs, type BlobsOptions, type DownloadOptions, type DownloadSource } from './blobs.js'
export type { Download } from './download.js'
export type { Authorize, BlobsLimits, ProviderEvent, RequestKind, TransferStats } from './provider.js'
export type { DownloadProgress, DownloadResult, LocalInfo } from './transfer.js'
