//! What a download is told, and what it tells.

use std::time::Duration;

use bytes::Bytes;
use gaiwan_base::Hash;
use gaiwan_endpoint::Failure;

use crate::{proto::ChunkRanges, transfer::TransferStats};

/// What keeps the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagAs {
    /// A name made from the time.
    Auto,
    /// This name.
    Name(Bytes),
    /// Nothing.
    Nothing,
}

/// How to download.
#[derive(Debug, Clone)]
pub struct DownloadOptions {
    /// What is wanted of a raw blob, in chunks; rounded out to groups.
    pub ranges: ChunkRanges,
    /// What keeps the result.
    pub tag: TagAs,
    /// Share it among the providers.
    pub split: bool,
    /// The longest time without a verified byte of one provider.
    pub stall: Duration,
    /// Bytes of the whole.
    pub max_bytes: Option<u64>,
    /// Ask for the sizes of children too, beside the download, so that progress has a total.
    pub sizes: bool,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self {
            ranges: ChunkRanges::all(),
            tag: TagAs::Auto,
            split: false,
            stall: Duration::from_secs(30),
            max_bytes: None,
            sizes: false,
        }
    }
}

/// What happens.
#[derive(Debug, Clone)]
pub enum DownloadEvent {
    /// A provider is of no more use. After `HASH_MISMATCH` or a violation it should not come back.
    Failed {
        /// Its number.
        provider: u32,
        /// Whether it has sent bytes that were right: then it may be worth as many dials as a new one.
        moved: bool,
        /// Why.
        failure: Failure,
    },
    /// The size of a blob became known.
    Size {
        /// 0 is the root.
        index: u64,
        /// Which.
        hash: Hash,
        /// Bytes.
        size: u64,
    },
    /// Verified bytes so far, local ones included.
    Progress {
        /// So many.
        bytes: u64,
        /// Of so many, once that is known.
        total: Option<u64>,
    },
    /// Nobody who is there can do any of what is left: another provider is needed.
    Starved {
        /// How many providers have come so far.
        seen: u32,
    },
    /// A blob is here.
    BlobDone {
        /// 0 is the root.
        index: u64,
        /// Which.
        hash: Hash,
    },
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Downloaded {
    /// Bytes of the blob itself.
    pub size: u64,
    /// Bytes that were here before.
    pub local_bytes: u64,
    /// What moved.
    pub stats: TransferStats,
}
