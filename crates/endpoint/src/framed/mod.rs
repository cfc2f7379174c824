//! Frames over bi streams: a length, then so many bytes; one request a stream.
//!
//! Knows nothing of what the bytes mean. The rules are those of irpc 0.17 (`src/util.rs`) with the stricter limits of
//! `docs/wire/rpc.md`: [`prefix`] cuts frames, [`FrameReader`] reads them off a stream, [`call`] sends one request and
//! reads its one answer, [`Acceptor`] meets the requests of a peer.

mod accept;
mod call;
mod finish;
mod prefix;
mod reader;

pub use accept::{Acceptor, AcceptorOptions, Request, Strikes};
pub use call::{CallError, CallOptions, Queued, Wanted, call};
pub use finish::{finish_soon, finish_with};
pub use prefix::{MAX_PREFIX, Prefix, mark, mark_of, parse};
pub use reader::{Batch, End, FrameReader};

/// The peer wants no more, or nobody here does.
pub const CANCELLED: u8 = 0;
/// A frame above its limit; the reference's own code.
pub const TOO_LARGE: u8 = 1;
/// A request that was not understood, or came late.
pub const UNRECOGNISED: u8 = 17;
/// Over a limit.
pub const BUSY: u8 = 18;
