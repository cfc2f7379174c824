// Automerge over gaiwan connections: what this room offers. Experimental, as its two references are.
export { encodeFrame, type FramePrefix, FrameReader } from '../wire/frames.js'
export { GaiwanNetworkAdapter } from './adapter.js'
export type { DocumentHandle, DocumentSyncOptions, GaiwanNetworkAdapterOptions } from './options.js'
export { DOCUMENT_ALPN, REPO_ALPN } from './protocol.js'
export type { RepoSession } from './session.js'
export { AutomergeSync, type AutomergeSyncEvents, syncDocument, type SyncReport } from './sync.js'
