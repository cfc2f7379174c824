//! Sizes and places in the tree of one blob.
//!
//! Geometry of BLAKE3 and of bao-tree 0.17.0 (`src/tree.rs`, `src/rec.rs`): nodes are numbered in order over the chunks
//! of 1,024 bytes; pairs of hashes are kept for nodes of level 4 and up, in pre-order, 64 bytes each.

use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRangesRef, TreeNode};
use blake3::hazmat::{self, HasherExt as _, Mode};

use crate::proto::ChunkRanges;

/// The unit of BLAKE3 and of every range.
pub const CHUNK_BYTES: u64 = 1024;
/// The unit of stored proofs: 16 chunks.
pub const GROUP_BYTES: u64 = 16 * 1024;
/// A group, as bao-tree says it.
pub const BLOCK: BlockSize = BlockSize::from_chunk_log(4);
/// Left hash, right hash.
pub const PAIR_BYTES: u64 = 64;

/// The tree of a blob of `size` bytes.
pub fn tree_of(size: u64) -> BaoTree {
    BaoTree::new(size, BLOCK)
}

/// Groups of a blob; even the empty one has one.
pub fn groups_of(size: u64) -> u64 {
    size.div_ceil(GROUP_BYTES).max(1)
}

/// Chunks of a blob; even the empty one has one.
pub fn chunks_of(size: u64) -> u64 {
    size.div_ceil(CHUNK_BYTES).max(1)
}

/// Bytes of the outboard: a pair for every group but one.
pub fn outboard_bytes(size: u64) -> u64 {
    (groups_of(size) - 1) * PAIR_BYTES
}

/// Where the pair of `node` lies in the outboard; `None` for nodes that have none there.
pub fn pair_offset(tree: &BaoTree, node: TreeNode) -> Option<u64> {
    tree.pre_order_offset(node).map(|n| n * PAIR_BYTES)
}

/// The hash of the subtree over `data`, which starts at `start_chunk`; finalised as root if it is all there is.
pub fn hash_subtree(start_chunk: u64, data: &[u8], is_root: bool) -> [u8; 32] {
    if is_root {
        return *blake3::hash(data).as_bytes();
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(start_chunk * CHUNK_BYTES);
    hasher.update(data).finalize_non_root()
}

/// The hash of a node by the hashes of its children.
pub fn parent_hash(left: &[u8; 32], right: &[u8; 32], is_root: bool) -> [u8; 32] {
    if is_root {
        *hazmat::merge_subtrees_root(left, right, Mode::Hash).as_bytes()
    } else {
        hazmat::merge_subtrees_non_root(left, right, Mode::Hash)
    }
}

/// Cuts ranges to a blob of `size` bytes, as both sides must once they know it: what reaches or lies past the end
/// selects the last chunk and becomes open ended, later boundaries go. The cost is that of what stays, for a peer can put
/// a hundred thousand boundaries behind the end of a small blob.
pub fn truncated(ranges: &ChunkRangesRef, size: u64) -> ChunkRanges {
    let last = ChunkNum(chunks_of(size) - 1);
    let boundaries = ranges.boundaries();
    let (keep, opens) = match boundaries.binary_search(&last) {
        // It starts a range: that range is open from here.
        Ok(at) if at % 2 == 0 => (at + 1, false),
        // It ends one, and nothing follows.
        Ok(at) if at + 1 == boundaries.len() => (at + 1, false),
        // It ends one, and what follows selects the last chunk: the two meet.
        Ok(at) => (at, false),
        // Inside a range, that becomes open; or after the last.
        Err(at) => (at, at % 2 == 0 && at < boundaries.len()),
    };
    // Between two ranges: the next one selects the last chunk.
    let kept = boundaries[..keep].iter().copied().chain(opens.then_some(last));
    ChunkRanges::new(kept.collect()).unwrap_or_else(ChunkRanges::empty)
}

/// The same, of ranges that may be cut already.
pub fn truncate(ranges: ChunkRanges, size: u64) -> ChunkRanges {
    let last = ChunkNum(chunks_of(size) - 1);
    let is_cut = ranges.boundaries().last().is_none_or(|boundary| *boundary <= last);
    if is_cut { ranges } else { truncated(&ranges, size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(boundaries: &[u64]) -> ChunkRanges {
        ChunkRanges::new(boundaries.iter().copied().map(ChunkNum).collect()).unwrap()
    }

    #[test]
    fn what_reaches_the_end_is_open_and_selects_the_last_chunk() {
        let size = 7 * CHUNK_BYTES;
        for (asked, cut) in [
            (&[0, 6][..], &[0, 6][..]),
            (&[0, 7], &[0]),
            (&[0, 10], &[0]),
            (&[0, 6, 7, 10], &[0]),
            (&[0, 5, 7, 10], &[0, 5, 6]),
            (&[3, 6, 7, 10], &[3]),
            (&[10], &[6]),
            (&[6, 7], &[6]),
            (&[6], &[6]),
            (&[u64::MAX], &[6]),
            (&[], &[]),
            (&[0], &[0]),
            (&[1, 2, 3, 4, 9, 11], &[1, 2, 3, 4, 6]),
        ] {
            assert_eq!(truncated(&ranges(asked), size), ranges(cut), "{asked:?}");
            assert_eq!(truncate(ranges(asked), size), ranges(cut), "{asked:?}");
            assert_eq!(truncate(ranges(cut), size), ranges(cut), "{asked:?}");
        }
        assert_eq!(truncated(&ranges(&[u64::MAX]), 0), ChunkRanges::all());
    }

    #[test]
    fn p5_a_hundred_thousand_ranges_are_cut_in_no_time() {
        let most: Vec<u64> = (0..1 << 17).map(|n| 2 * n + 1).collect();
        let start = std::time::Instant::now();
        let inside = truncated(&ranges(&most), (2 << 17) * CHUNK_BYTES);
        assert_eq!(inside.boundaries().len(), 1 << 17);
        assert_eq!(truncated(&ranges(&most), 10 * CHUNK_BYTES), ranges(&[1, 3, 5, 7, 9]));
        for _ in 0..1000 {
            assert_eq!(truncated(&ranges(&most[..4]), 1), ranges(&[0]));
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(60));
    }

    #[test]
    fn sizes_of_outboards() {
        for (size, bytes) in
            [(0, 0), (1, 0), (16_384, 0), (16_385, 64), (32_769, 128), (1 << 20, 63 * 64)]
        {
            assert_eq!(outboard_bytes(size), bytes, "{size}");
        }
    }
}
