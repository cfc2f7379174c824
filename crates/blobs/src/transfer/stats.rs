//! What a transfer moved.

use std::time::Duration;

/// Bytes and time of one request, or of all requests of a download.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferStats {
    /// Bytes of blobs that came in.
    pub payload_bytes_read: u64,
    /// Bytes of blobs that went out.
    pub payload_bytes_written: u64,
    /// Sizes, pairs and requests that came in.
    pub other_bytes_read: u64,
    /// Sizes, pairs and requests that went out.
    pub other_bytes_written: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl TransferStats {
    /// Adds the bytes of another transfer; the longer time counts.
    pub fn add(&mut self, other: &Self) {
        self.payload_bytes_read += other.payload_bytes_read;
        self.payload_bytes_written += other.payload_bytes_written;
        self.other_bytes_read += other.other_bytes_read;
        self.other_bytes_written += other.other_bytes_written;
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}
