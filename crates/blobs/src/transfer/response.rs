//! What a provider sends for a Get or GetMany.
//!
//! Wire of iroh-blobs 0.104.0, `src/provider.rs` and `src/protocol.rs`: for each selected blob its size as u64, little
//! endian, then the bao encoding of the selected ranges; nothing in between and nothing for blobs without ranges.

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;

use super::{
    children::{Selected, Walk},
    stats::TransferStats,
};
use crate::{
    bao::Encoder,
    proto::ChunkRanges,
    store::{Reader, Source, Store},
};

/// Blobs opened in one step, so that a request for many small ones gives others their turn.
const BLOBS_A_STEP: usize = 256;

/// What happened in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// A blob begins.
    Started {
        /// Its place in the request.
        index: u64,
        /// Which.
        hash: Hash,
        /// Bytes of all of it.
        size: u64,
    },
    /// It has come so far.
    Progress {
        /// Its place in the request.
        index: u64,
        /// Where the last bytes end.
        end_offset: u64,
    },
}

/// How a response ends.
#[derive(Debug)]
pub(crate) enum End {
    /// All is said.
    Done,
    /// Something is not here; what was sent before is good.
    Missing,
    /// Our own trouble.
    Failed(Failure),
}

/// A response under way.
pub(crate) struct Response {
    store: Store,
    walk: Walk,
    current: Option<Current>,
    pub(crate) stats: TransferStats,
}

struct Current {
    index: u64,
    reader: Reader,
    ranges: ChunkRanges,
    encoder: Encoder<Source, Source>,
}

impl Response {
    pub(crate) fn new(store: Store, walk: Walk) -> Self {
        Self { store, walk, current: None, stats: TransferStats::default() }
    }

    /// Appends about `budget` bytes to `out`, all of them checked; how it ends, once it does.
    pub(crate) fn step(
        &mut self,
        out: &mut Vec<u8>,
        budget: usize,
        sent: &mut Vec<Sent>,
    ) -> Option<End> {
        for _ in 0..BLOBS_A_STEP {
            if let Err(end) = self.fill(out, budget, sent) {
                return Some(end);
            }
            if out.len() >= budget {
                return None;
            }
            match self.begin(out, sent) {
                Ok(true) => {}
                Ok(false) => return Some(End::Done),
                Err(failure) => return Some(missing(failure)),
            }
        }
        None
    }

    /// The rest of the blob at hand, as far as it fits.
    fn fill(&mut self, out: &mut Vec<u8>, budget: usize, sent: &mut Vec<Sent>) -> Result<(), End> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let (before, mut payload, mut end_offset) = (out.len(), 0, None);
        let mut leaf = |offset, length| {
            payload += length;
            end_offset = Some(offset + length);
        };
        let result = current.encoder.step(out, budget, &mut leaf);
        self.stats.payload_bytes_written += payload;
        self.stats.other_bytes_written += (out.len() - before) as u64 - payload;
        if let Some(end_offset) = end_offset {
            sent.push(Sent::Progress { index: current.index, end_offset });
        }
        if let Err(error) = result {
            let here = &current.ranges - current.reader.field().ranges();
            return Err(if here.is_empty() {
                let failure = current.reader.failure(&error);
                End::Failed(suspected(&self.store, *current.reader.hash(), failure))
            } else {
                End::Missing
            });
        }
        if current.encoder.is_done() {
            self.current = None;
        }
        Ok(())
    }

    /// The next blob, whether there is one.
    fn begin(&mut self, out: &mut Vec<u8>, sent: &mut Vec<Sent>) -> Result<bool, Failure> {
        let store = &self.store;
        // Children are read from their root.
        let root = self.walk.root();
        let next = self.walk.next(store).map_err(|failure| suspected(store, root, failure))?;
        let Some(Selected { index, hash }) = next else { return Ok(false) };
        let reader = store.reader(&hash).map_err(|failure| suspected(store, hash, failure))?;
        let size = reader.size();
        out.extend_from_slice(&size.to_le_bytes());
        self.stats.other_bytes_written += 8;
        sent.push(Sent::Started { index, hash, size });
        let ranges = self.walk.ranges(index, size);
        let encoder = reader.encoder(ranges.clone());
        self.current = Some(Current { index, reader, ranges, encoder });
        Ok(true)
    }
}

/// What is damaged is not claimed much longer.
fn suspected(store: &Store, hash: Hash, failure: Failure) -> Failure {
    if failure.code == ErrorCode::BlobCorrupt {
        store.suspect(&hash);
    }
    failure
}

fn missing(failure: Failure) -> End {
    match failure.code {
        ErrorCode::BlobNotFound | ErrorCode::BlobIncomplete => End::Missing,
        _ => End::Failed(failure),
    }
}
