// What both ends must agree on, from n0-computer/iroh-examples for iroh 1.0.0-rc.1: `iroh-automerge/src/protocol.rs` and
// `iroh-automerge-repo/src/{lib,codec}.rs`; and the bounds that are ours.

/** One-shot sync of one document: `iroh/automerge/2` */
export const DOCUMENT_ALPN: string = 'iroh/automerge/2'
/** A long-lived repo session: `iroh/automerge-repo/1` */
export const REPO_ALPN: string = 'iroh/automerge-repo/1'

/** The one version of automerge-repo's protocol. */
export const VERSION = '1'
/** The largest frame that the Rust example reads. */
export const REFERENCE_FRAME_BYTES = 8 * 1024 * 1024
/** Bytes of one message, or frame, that we read unless told otherwise. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024
/** Bytes that may wait for one peer unless told otherwise. */
export const MAX_QUEUE_BYTES = 64 * 1024 * 1024
/** Rounds of a document sync: more is no progress. */
export const MAX_ROUNDS = 1_000
/** Silence inside a frame; so many bytes start the time anew. */
export const FRAME_MS = 30_000
export const FRAME_PROGRESS_BYTES = 256 * 1024

/** What a document sync closes with when it is refused, and when it failed. The reference has neither. */
export const REFUSED = 1
export const FAILED = 2

/** Bounds of a repo session. */
export interface SessionLimits {
  /** Time for join and peer. */
  readonly handshakeMs: number
  /** Silence inside a frame. */
  readonly frameMs: number
  /** Time to write what is queued when a session is closed. */
  readonly closeMs: number
  /** Frames with a wrong sender or target. */
  readonly maxStrayFrames: number
  /** Sync messages that do not decode. */
  readonly maxBadMessages: number
  /** Different documents that a peer may speak of in one session. */
  readonly maxDocuments: number
  /** Those that it may bring up in a second; it waits for more. */
  readonly documentsPerSecond: number
  /** Ephemeral bytes that may wait; then the oldest go. */
  readonly maxEphemeralBytes: number
  /** Frames, and bytes, that are delivered in one turn of the event loop. */
  readonly framesPerTurn: number
  readonly bytesPerTurn: number
}

export const LIMITS: SessionLimits = {
  handshakeMs: 10_000,
  frameMs: FRAME_MS,
  closeMs: 1_000,
  maxStrayFrames: 10,
  maxBadMessages: 3,
  maxDocuments: 10_000,
  documentsPerSecond: 100,
  maxEphemeralBytes: 1024 * 1024,
  framesPerTurn: 50,
  bytesPerTurn: 1024 * 1024,
}

/** Two connections of one pair within this time, one dialed by each, are crossed dials. */
export const CROSSED_MS = 5_000
/** A session of this age proves that the next one need not wait long. */
export const HEALTHY_MS = 60_000
