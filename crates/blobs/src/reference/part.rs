//! What can be proven of a blob: from its hash down, pair by pair, to its bytes.

use std::ops::ControlFlow::{self, Break, Continue};

use bao_tree::ChunkNum;
use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;

use super::run::Share;
use crate::{
    bao::{
        CHUNK_BYTES, GROUP_BYTES, PAIR_BYTES, ReadAt, halves, hash_subtree, left_bytes,
        outboard_bytes, parent_hash,
    },
    proto::ChunkRanges,
    store::{Batch, Phase, Source, Writer, Written},
};

/// Bytes that are collected before they are written.
const PIECE: u64 = 1 << 20;
/// As in what peers send: a claim that no file system keeps.
const MAX_SIZE: u64 = 1 << 53;

/// What came of it.
pub(super) struct Brought {
    /// That were not there before.
    pub(super) bytes: u64,
    /// Whether the blob is complete now.
    pub(super) is_complete: bool,
}

/// Brings every group that is proven by `pairs`, in the order of bao-tree, of a blob that is claimed to have `size` bytes.
/// What can't be read is not there. The work is bounded by the good pairs, whatever the claim.
pub(super) fn bring(
    share: &Share<'_>,
    size: u64,
    data: &Source,
    pairs: &Source,
) -> Result<Brought, Failure> {
    let (store, hash) = (share.run.store, &share.row.hash);
    if size >= MAX_SIZE {
        let text = format!("it is claimed to have {size} bytes");
        return Err(Failure::new(ErrorCode::StoreFailed, text));
    }
    let Some(writer) = store.writer(*hash)? else {
        return Ok(Brought { bytes: 0, is_complete: true });
    };
    let have = store.bitfield(hash)?.ranges().clone();
    let (way, batch) = (Vec::new(), Batch::default());
    let mut walk =
        Walk { share, size, data, pairs, writer, have, way, batch, bytes: 0, failure: None };
    if walk.subtree(0, size, 0, hash.as_bytes()).is_continue() {
        let _ = walk.flush();
    }
    let Walk { writer, bytes, failure, .. } = walk;
    // The last one brings progress to the disk.
    drop(writer);
    match failure {
        Some(failure) => Err(failure),
        None => Ok(Brought { bytes, is_complete: store.bitfield(hash)?.is_complete() }),
    }
}

struct Walk<'a> {
    share: &'a Share<'a>,
    size: u64,
    data: &'a Source,
    pairs: &'a Source,
    writer: Writer,
    /// What the store has already.
    have: ChunkRanges,
    /// Pairs above the place where it is, and whether the batch has them.
    way: Vec<(u64, [u8; 64], bool)>,
    batch: Batch,
    bytes: u64,
    failure: Option<Failure>,
}

impl Walk<'_> {
    /// The subtree over `length` bytes at `start`, whose pairs begin at `offset`. Breaks when there is no more to do.
    fn subtree(
        &mut self,
        start: u64,
        length: u64,
        offset: u64,
        expected: &[u8; 32],
    ) -> ControlFlow<()> {
        if length <= GROUP_BYTES {
            return self.group(start, length, expected);
        }
        let mut pair = [0; 64];
        let is_read = self.pairs.read_at(offset, &mut pair).is_ok();
        let (left_hash, right_hash) = halves(&pair);
        if !is_read || parent_hash(&left_hash, &right_hash, length == self.size) != *expected {
            return self.note(length);
        }
        self.way.push((offset, pair, false));
        let left = left_bytes(length);
        let (left_at, right_at) = (offset + PAIR_BYTES, offset + PAIR_BYTES + outboard_bytes(left));
        self.subtree(start, left, left_at, &left_hash)?;
        self.subtree(start + left, length - left, right_at, &right_hash)?;
        self.way.pop();
        Continue(())
    }

    fn group(&mut self, start: u64, length: u64, expected: &[u8; 32]) -> ControlFlow<()> {
        let chunks =
            ChunkNum(start / CHUNK_BYTES)..ChunkNum((start + length).div_ceil(CHUNK_BYTES));
        let missing = &ChunkRanges::from(chunks) - &self.have;
        if !missing.is_empty() {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            let is_read = self.data.read_at(start, &mut bytes).is_ok();
            let is_root = length == self.size;
            if is_read && hash_subtree(start / CHUNK_BYTES, &bytes, is_root) == *expected {
                // Only a leaf proves the places of the pairs above it.
                for (offset, pair, given) in &mut self.way {
                    if !std::mem::replace(given, true) {
                        self.batch.push_pair(*offset, pair);
                    }
                }
                self.batch.push_data(start, &bytes);
                self.bytes += length;
                if self.batch.bytes() >= PIECE {
                    self.flush()?;
                }
            }
        }
        self.note(length)
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let batch = self.batch.take();
        if batch.is_empty() {
            return Continue(());
        }
        let written = match self.writer.write(self.size, &batch) {
            Ok(Written::More) => return Continue(()),
            Ok(Written::Known) => Ok(()),
            Ok(Written::Complete(pending)) => pending.wait(),
            Err(failure) => Err(failure),
        };
        self.stop(written)
    }

    fn note(&mut self, bytes: u64) -> ControlFlow<()> {
        match self.share.note(Phase::Hash, bytes) {
            Ok(()) => Continue(()),
            failed => self.stop(failed),
        }
    }

    fn stop(&mut self, result: Result<(), Failure>) -> ControlFlow<()> {
        self.failure = result.err();
        Break(())
    }
}
