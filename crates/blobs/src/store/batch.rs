//! What was checked and is not stored yet.

use bao_tree::ChunkNum;

use crate::{bao::CHUNK_BYTES, proto::ChunkRanges};

/// Bytes and pairs that were checked against the hash, in the order in which they came.
///
/// A pair proves nothing about its place. Where it lies in the outboard follows from the size, which is a claim; so a
/// peer that lies about the size can give a true pair a place that belongs to another one. Bytes do prove theirs: their
/// hash has the number of their chunk in it, and the way down to them is the same under every size that they fit. Hence
/// a pair waits here until a leaf under it was checked, and is thrown away with the batch if none comes.
#[derive(Debug, Default)]
pub struct Batch {
    data: Vec<(u64, Vec<u8>)>,
    pairs: Vec<(u64, Vec<u8>)>,
    waiting: Vec<(u64, Vec<u8>)>,
}

impl Batch {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty() && self.pairs.is_empty()
    }

    /// Adds bytes of the blob, whole groups only.
    pub fn push_data(&mut self, offset: u64, bytes: &[u8]) {
        self.confirm();
        push(&mut self.data, offset, bytes);
    }

    /// Adds a pair; `offset` is its place in the outboard.
    pub fn push_pair(&mut self, offset: u64, pair: &[u8]) {
        push(&mut self.waiting, offset, pair);
    }

    /// A leaf was checked whose bytes are not kept: the pairs above it are in their places.
    pub fn confirm(&mut self) {
        for (offset, pairs) in self.waiting.drain(..) {
            push(&mut self.pairs, offset, &pairs);
        }
    }

    /// What can be stored; pairs that wait stay behind.
    pub fn take(&mut self) -> Self {
        let waiting = std::mem::take(&mut self.waiting);
        std::mem::replace(self, Self { waiting, ..Self::default() })
    }

    /// Runs of bytes of the blob, by offset.
    pub(super) fn data(&self) -> &[(u64, Vec<u8>)] {
        &self.data
    }

    /// Runs of pairs, by offset in the outboard.
    pub(super) fn pairs(&self) -> &[(u64, Vec<u8>)] {
        &self.pairs
    }

    pub(super) fn chunks(&self) -> ChunkRanges {
        self.data.iter().fold(ChunkRanges::empty(), |all, (offset, bytes)| {
            let end = (offset + bytes.len() as u64).div_ceil(CHUNK_BYTES);
            all | ChunkRanges::from(ChunkNum(offset / CHUNK_BYTES)..ChunkNum(end))
        })
    }

    /// Bytes of the blob that can be stored.
    pub(crate) fn bytes(&self) -> u64 {
        self.data.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}

/// Adds to the last run what follows it.
fn push(runs: &mut Vec<(u64, Vec<u8>)>, offset: u64, bytes: &[u8]) {
    match runs.last_mut() {
        Some((start, run)) if *start + run.len() as u64 == offset => run.extend_from_slice(bytes),
        _ => runs.push((offset, bytes.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_waits_for_a_leaf_under_it() {
        let mut batch = Batch::default();
        batch.push_pair(0, &[1; 64]);
        assert!(batch.is_empty() && batch.take().is_empty());
        batch.push_pair(64, &[2; 64]);
        batch.push_data(0, &[3; 16]);
        batch.push_pair(640, &[4; 64]);
        let taken = batch.take();
        assert_eq!(taken.pairs(), [(0, [[1; 64], [2; 64]].concat())]);
        assert_eq!(taken.data(), [(0, vec![3; 16])]);
        // Bytes that are not kept prove a place as well.
        batch.confirm();
        assert_eq!(batch.take().pairs(), [(640, vec![4; 64])]);
    }
}
