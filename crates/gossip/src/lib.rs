//! Gossip: broadcast in swarms, wire-compatible with iroh-gossip 0.101.
//!
//! Where to start reading: [`Gossip`] is the handle; `proto/` knows the bytes and what they may say; `topic/` drives
//! one state machine of iroh-gossip for each topic; `net/` has the connections. Topics and peers meet in a table of
//! bounded queues, so neither ever waits for the other.

mod event;
mod gossip;
mod metrics;
mod net;
mod options;
pub mod proto;
mod topic;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use event::{DownReason, Event, Scope};
pub use gossip::Gossip;
pub use options::{
    Accept, BroadcastOptions, Dial, GossipOptions, Limits, MAX_MESSAGE_BYTES, MIN_MESSAGE_BYTES,
    MembershipOptions, max_content_bytes,
};
pub use proto::TopicId;
pub use topic::{TopicReceiver, TopicSender};

/// The protocol's name; the whole network has the same.
pub const ALPN: &[u8] = b"/iroh-gossip/1";

/// A lock whose data is whole even if a holder panicked: no section under one leaves its data half changed.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
