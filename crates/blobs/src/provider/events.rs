//! What a provider tells, asks, and counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gaiwan_base::{EndpointId, Hash};
use gaiwan_endpoint::BoxFuture;

use crate::{proto::RequestKind, transfer::TransferStats};

/// Something that happened at a provider.
#[derive(Debug, Clone)]
pub struct Event {
    /// The endpoint's number of the connection.
    pub connection: u64,
    /// Who is at its other end.
    pub remote: EndpointId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. Requests are numbered within their connection.
#[derive(Debug, Clone)]
pub enum EventKind {
    /// A peer connected.
    Connected,
    /// It is gone.
    Disconnected,
    /// It asks for something.
    Request {
        /// The number.
        request: u64,
        /// What it asks.
        kind: RequestKind,
        /// Of which blob; of a GetMany the first.
        hash: Hash,
    },
    /// A blob begins.
    Started {
        /// The number.
        request: u64,
        /// The blob's place in the request.
        index: u64,
        /// Which.
        hash: Hash,
        /// Bytes of all of it.
        size: u64,
    },
    /// A blob has come so far. Lossy.
    Progress {
        /// The number.
        request: u64,
        /// The blob's place in the request.
        index: u64,
        /// Where the last bytes end.
        end_offset: u64,
    },
    /// A request is over.
    Completed {
        /// The number.
        request: u64,
        /// What moved.
        stats: TransferStats,
    },
    /// A request ended before its end.
    Aborted {
        /// The number.
        request: u64,
        /// What moved.
        stats: TransferStats,
    },
}

/// Hears events; must not wait.
pub trait Events: Send + Sync + 'static {
    /// One happened.
    fn event(&self, event: Event);
}

/// Says who may ask for what.
pub trait Authorize: Send + Sync + 'static {
    /// Whether `remote` may ask this. Asked before anything is looked up, so that a no tells nothing.
    fn authorize(&self, remote: EndpointId, hash: Hash, kind: RequestKind) -> BoxFuture<'_, bool>;
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Counts since the provider was made.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[$doc])* pub $name: AtomicU64,)+
        }

        impl Metrics {
            /// Names and values.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Relaxed)),)+]
            }
        }
    };
}

metrics! {
    /// Connections served.
    connections,
    /// Connections refused for a limit.
    connections_refused,
    /// Get requests.
    requests_get,
    /// GetMany requests.
    requests_get_many,
    /// Observe requests.
    requests_observe,
    /// Push requests.
    requests_push,
    /// Requests that were not allowed.
    requests_refused,
    /// Requests that were no requests.
    requests_malformed,
    /// Requests that ended before their end.
    requests_aborted,
    /// Requests that met missing data.
    requests_missing,
    /// Requests that our own trouble ended.
    requests_failed,
    /// Bytes of blobs sent.
    payload_bytes_sent,
    /// Bytes of sizes and pairs sent.
    other_bytes_sent,
    /// Bytes of blobs taken from pushes.
    payload_bytes_received,
}

impl Metrics {
    pub(super) fn asked(&self, kind: RequestKind) {
        let count = match kind {
            RequestKind::Get => &self.requests_get,
            RequestKind::GetMany => &self.requests_get_many,
            RequestKind::Observe => &self.requests_observe,
            RequestKind::Push => &self.requests_push,
        };
        count.fetch_add(1, Relaxed);
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
