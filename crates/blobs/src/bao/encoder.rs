//! The response for one blob, a step at a time.

use std::io;

use bao_tree::{
    BaoTree,
    iter::{BaoChunk, ResponseIter},
};
use gaiwan_base::Hash;

use super::{
    hasher::pair_in_group,
    read_at::ReadAt,
    tree::{CHUNK_BYTES, GROUP_BYTES, hash_subtree, pair_offset, parent_hash, tree_of, truncate},
};
use crate::proto::ChunkRanges;

/// Why a blob can't be sent any further.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// What is stored is not what the hash says; nothing of it was given out.
    #[error("stored bytes do not match their hash")]
    Mismatch {
        /// Where, in bytes.
        offset: u64,
    },
    /// The store can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Gives the items of a response (bao-tree 0.17.0, `src/io/mixed.rs`): a pair of 64 bytes for every node that must be
/// entered, else bytes. Every item is checked against the hash before it is given out.
pub struct Encoder<D, O> {
    tree: BaoTree,
    items: ResponseIter,
    /// The item that did not fit the last step.
    next: Option<BaoChunk>,
    /// Hashes of the subtrees to come, the next one last.
    expected: Vec<[u8; 32]>,
    data: D,
    outboard: O,
    /// The group that is being entered: where it starts, and its bytes.
    group: Option<(u64, Vec<u8>)>,
}

impl<D: ReadAt, O: ReadAt> Encoder<D, O> {
    /// For `ranges` of the blob `hash` of `size` bytes; truncates them.
    pub fn new(hash: Hash, size: u64, ranges: ChunkRanges, data: D, outboard: O) -> Self {
        let tree = tree_of(size);
        let mut items = ResponseIter::new(tree, truncate(ranges, size));
        let next = items.next();
        Self { tree, items, next, expected: vec![*hash.as_bytes()], data, outboard, group: None }
    }

    /// Whether all is said.
    pub fn is_done(&self) -> bool {
        self.next.is_none()
    }

    /// Where the next bytes of the blob come from.
    pub fn offset(&self) -> Option<u64> {
        match self.next? {
            BaoChunk::Parent { node, .. } => Some(node.chunk_range().start.to_bytes()),
            BaoChunk::Leaf { start_chunk, .. } => Some(start_chunk.to_bytes()),
        }
    }

    /// Appends items to `out` until it has at least `until` bytes or nothing is left; `leaf` hears of every leaf's
    /// offset and length. After an error `out` holds nothing that was not checked.
    pub fn step(
        &mut self,
        out: &mut Vec<u8>,
        until: usize,
        leaf: &mut dyn FnMut(u64, u64),
    ) -> Result<(), EncodeError> {
        while out.len() < until
            && let Some(item) = self.next
        {
            let before = out.len();
            if let Err(error) = self.item(item, out, leaf) {
                out.truncate(before);
                return Err(error);
            }
            self.next = self.items.next();
        }
        Ok(())
    }

    /// Puts the next leaf into `out`, without the pairs above it, and answers where it belongs; `None` after the last.
    pub fn leaf(&mut self, out: &mut Vec<u8>) -> Result<Option<u64>, EncodeError> {
        let mut found = None;
        while found.is_none()
            && let Some(item) = self.next
        {
            out.clear();
            self.item(item, out, &mut |offset, _| found = Some(offset))?;
            self.next = self.items.next();
        }
        Ok(found)
    }

    fn item(
        &mut self,
        item: BaoChunk,
        out: &mut Vec<u8>,
        leaf: &mut dyn FnMut(u64, u64),
    ) -> Result<(), EncodeError> {
        let expected = self.expected.pop().unwrap_or_default();
        match item {
            BaoChunk::Parent { node, is_root, left, right, .. } => {
                let offset = node.chunk_range().start.to_bytes();
                let (left_hash, right_hash) = match pair_offset(&self.tree, node) {
                    Some(at) => {
                        let mut pair = [0; 64];
                        self.outboard.read_at(at, &mut pair)?;
                        halves(&pair)
                    }
                    None => {
                        let start = offset / GROUP_BYTES * GROUP_BYTES;
                        pair_in_group(node, start, self.group(start)?)
                    }
                };
                if parent_hash(&left_hash, &right_hash, is_root) != expected {
                    return Err(EncodeError::Mismatch { offset });
                }
                out.extend_from_slice(&left_hash);
                out.extend_from_slice(&right_hash);
                if right {
                    self.expected.push(right_hash);
                }
                if left {
                    self.expected.push(left_hash);
                }
            }
            BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                let offset = start_chunk.0 * CHUNK_BYTES;
                let at = out.len();
                out.resize(at + size, 0);
                self.data.read_at(offset, &mut out[at..])?;
                if hash_subtree(start_chunk.0, &out[at..], is_root) != expected {
                    return Err(EncodeError::Mismatch { offset });
                }
                leaf(offset, size as u64);
            }
        }
        Ok(())
    }

    fn group(&mut self, start: u64) -> io::Result<&[u8]> {
        if self.group.as_ref().is_none_or(|(at, _)| *at != start) {
            let length = GROUP_BYTES.min(self.tree.size().saturating_sub(start));
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            self.data.read_at(start, &mut bytes)?;
            self.group = Some((start, bytes));
        }
        Ok(self.group.as_ref().map_or(&[], |(_, bytes)| bytes))
    }
}

/// Left and right of a pair.
pub(crate) fn halves(pair: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut left, mut right) = ([0; 32], [0; 32]);
    left.copy_from_slice(&pair[..32]);
    right.copy_from_slice(&pair[32..]);
    (left, right)
}

#[cfg(test)]
mod tests {
    use bao_tree::{
        ChunkNum,
        io::{outboard::PreOrderMemOutboard, sync::encode_ranges_validated},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::bao::{BLOCK, DecodeError, Decoder, Item, chunks_of};

    /// Content, its hash, and its pairs as bao-tree makes them.
    fn blob(size: usize) -> (Vec<u8>, Hash, Vec<u8>) {
        let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8 ^ (i >> 10) as u8).collect();
        let outboard = PreOrderMemOutboard::create(&data, BLOCK);
        (data, Hash::from_bytes(*outboard.root.as_bytes()), outboard.data)
    }

    fn any_size() -> impl Strategy<Value = usize> {
        prop_oneof![0..3000usize, 16_380..16_390usize, 30_000..200_000usize]
    }

    fn any_ranges() -> impl Strategy<Value = ChunkRanges> {
        let boundary = prop_oneof![4 => 0..250u64, 1 => any::<u64>()];
        proptest::collection::btree_set(boundary, 0..8).prop_map(|boundaries| {
            ChunkRanges::new(boundaries.into_iter().map(ChunkNum).collect()).unwrap()
        })
    }

    fn encode(blob: &(Vec<u8>, Hash, Vec<u8>), ranges: &ChunkRanges, step: usize) -> Vec<u8> {
        let (data, hash, pairs) = blob;
        let mut encoder =
            Encoder::new(*hash, data.len() as u64, ranges.clone(), &data[..], &pairs[..]);
        let mut out = Vec::new();
        while !encoder.is_done() {
            let mut piece = Vec::new();
            encoder.step(&mut piece, step, &mut |_, _| {}).unwrap();
            assert!(!piece.is_empty() || data.is_empty());
            out.append(&mut piece);
        }
        out
    }

    type Leaves = Vec<(u64, Vec<u8>)>;

    /// What a decoder makes of a response: its leaves, and whether it came to the end with nothing left over.
    fn decode(
        hash: Hash,
        size: u64,
        ranges: &ChunkRanges,
        mut response: &[u8],
    ) -> (Leaves, Result<bool, DecodeError>) {
        let mut decoder = Decoder::new(hash, size, ranges.clone());
        let mut leaves = Vec::new();
        while let Some(wants) = decoder.wants() {
            let Some(item) = response.get(..wants) else { return (leaves, Ok(false)) };
            response = &response[wants..];
            match decoder.take(item) {
                Ok(Some(Item::Leaf { offset, data })) => leaves.push((offset, data.to_vec())),
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(decoder.wants(), None, "after an error it takes nothing more");
                    assert_eq!(decoder.take(item), Ok(None));
                    return (leaves, Err(error));
                }
            }
        }
        (leaves, Ok(response.is_empty()))
    }

    proptest! {
        #[test]
        fn a_response_is_that_of_bao_tree_and_is_taken_apart(
            size in any_size(), ranges in any_ranges(), step in 1..100_000usize,
        ) {
            let blob = blob(size);
            let (data, hash, pairs) = &blob;
            let size = size as u64;
            let outboard = PreOrderMemOutboard {
                root: (*hash.as_bytes()).into(), tree: tree_of(size), data: &pairs[..],
            };
            let mut theirs = Vec::new();
            let cut = truncate(ranges.clone(), size);
            encode_ranges_validated(&data[..], &outboard, &cut, &mut theirs).unwrap();
            let ours = encode(&blob, &ranges, step);
            prop_assert!(ours == theirs);
            let (leaves, end) = decode(*hash, size, &ranges, &ours);
            prop_assert_eq!(end, Ok(true));
            // The chunks that were asked for, and no others.
            let mut chunks = ChunkRanges::empty();
            for (offset, leaf) in &leaves {
                let start = usize::try_from(*offset).unwrap();
                prop_assert!(data[start..start + leaf.len()] == leaf[..]);
                let end = (offset + leaf.len() as u64).div_ceil(CHUNK_BYTES);
                let start = ChunkNum(offset / CHUNK_BYTES);
                chunks |= ChunkRanges::from(start..ChunkNum(end.max(start.0 + 1)));
            }
            let all = ChunkRanges::from(..ChunkNum(chunks_of(size)));
            prop_assert_eq!(chunks, &cut & &all);
            // One by one they are the same.
            let mut encoder = Encoder::new(*hash, size, ranges, &data[..], &pairs[..]);
            let (mut leaf, mut found) = (Vec::new(), Vec::new());
            while let Some(offset) = encoder.leaf(&mut leaf).unwrap() {
                found.push((offset, leaf.clone()));
            }
            prop_assert!(found == leaves);
        }

        #[test]
        fn g1_a_flipped_bit_anywhere_is_found_at_its_item(
            size in 1..150_000usize, ranges in any_ranges(), at: prop::sample::Index, bit in 0..8u8,
        ) {
            let blob = blob(size);
            let mut response = encode(&blob, &ranges, usize::MAX);
            prop_assume!(!response.is_empty());
            let at = at.index(response.len());
            let (good, _) = decode(blob.1, size as u64, &ranges, &response[..at]);
            response[at] ^= 1 << bit;
            let (leaves, end) = decode(blob.1, size as u64, &ranges, &response);
            prop_assert!(end.is_err());
            // What came before it is good, and nothing after it is taken.
            prop_assert!(leaves == good);
        }

        #[test]
        fn g2_no_other_size_gets_a_response_to_its_end(
            size in 1..100_000usize, other in prop_oneof![0..200_000u64, any::<u64>()],
        ) {
            prop_assume!(other != size as u64);
            let blob = blob(size);
            let response = encode(&blob, &ChunkRanges::all(), usize::MAX);
            let (leaves, end) = decode(blob.1, other, &ChunkRanges::all(), &response);
            prop_assert!(end != Ok(true));
            for (offset, leaf) in leaves {
                let start = usize::try_from(offset).unwrap();
                prop_assert!(blob.0[start..start + leaf.len()] == leaf[..]);
            }
        }

        #[test]
        fn p10_what_is_damaged_is_not_encoded(
            size in 1..150_000usize, ranges in any_ranges(), at: prop::sample::Index,
        ) {
            let good = blob(size);
            let expected = encode(&good, &ranges, usize::MAX);
            let (mut data, hash, mut pairs) = good;
            let at = at.index(data.len() + pairs.len());
            match at.checked_sub(data.len()) {
                None => data[at] ^= 1,
                Some(at) => pairs[at] ^= 1,
            }
            let mut encoder = Encoder::new(hash, size as u64, ranges, &data[..], &pairs[..]);
            let mut out = Vec::new();
            let result = encoder.step(&mut out, usize::MAX, &mut |_, _| {});
            // All of it if that was not touched, else its beginning.
            prop_assert!(expected.starts_with(&out));
            prop_assert_eq!(result.is_ok(), out.len() == expected.len());
        }
    }

    #[test]
    fn g2_sizes_up_to_the_largest_take_no_memory() {
        let hash = Hash::from_bytes([7; 32]);
        for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
            for ranges in [ChunkRanges::all(), crate::proto::last_chunk()] {
                let mut decoder = Decoder::new(hash, size, ranges.clone());
                assert_eq!(decoder.wants(), Some(64));
                assert!(decoder.take(&[0; 64]).is_err());
                let empty: &[u8] = &[];
                let mut encoder = Encoder::new(hash, size, ranges, empty, empty);
                assert!(encoder.step(&mut Vec::new(), 1, &mut |_, _| {}).is_err());
                assert!(encoder.offset().is_some());
            }
        }
    }
}
