//! What is told and counted of one request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use gaiwan_base::Hash;

use super::{
    events::{EventKind, count},
    served::Served,
};
use crate::{proto::RequestKind, transfer::TransferStats};

/// A request that is served. One that is given up in any way, by a panic or the end of its connection, is told as aborted.
pub(super) struct Report {
    served: Arc<Served>,
    request: u64,
    start: Instant,
    /// What moved so far.
    pub(super) stats: TransferStats,
    is_over: bool,
}

impl Report {
    /// It begins; `bytes` are those of the request.
    pub(super) fn begin(served: &Arc<Served>, kind: RequestKind, hash: Hash, bytes: u64) -> Self {
        let request = served.next_request();
        served.provider().metrics.asked(kind);
        served.tell(EventKind::Request { request, kind, hash });
        let stats = TransferStats { other_bytes_read: bytes, ..TransferStats::default() };
        Self { served: served.clone(), request, start: Instant::now(), stats, is_over: false }
    }

    /// Its number within the connection.
    pub(super) fn request(&self) -> u64 {
        self.request
    }

    /// All of it was done.
    pub(super) fn complete(mut self) {
        let (request, stats) = (self.request, self.sum());
        self.served.tell(EventKind::Completed { request, stats });
    }

    /// It ended early, which `counter` counts.
    pub(super) fn abort(mut self, counter: &AtomicU64) {
        self.end_early(counter);
    }

    fn end_early(&mut self, counter: &AtomicU64) {
        count(counter);
        let (request, stats) = (self.request, self.sum());
        self.served.tell(EventKind::Aborted { request, stats });
    }

    fn sum(&mut self) -> TransferStats {
        self.is_over = true;
        self.stats.elapsed = self.start.elapsed();
        let (metrics, stats) = (&self.served.provider().metrics, self.stats);
        metrics.payload_bytes_sent.fetch_add(stats.payload_bytes_written, Relaxed);
        metrics.other_bytes_sent.fetch_add(stats.other_bytes_written, Relaxed);
        metrics.payload_bytes_received.fetch_add(stats.payload_bytes_read, Relaxed);
        stats
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.is_over {
            let metrics = self.served.provider().metrics.clone();
            self.end_early(&metrics.requests_aborted);
        }
    }
}
