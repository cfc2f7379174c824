//! The response for one blob, item by item.

use bao_tree::{
    BaoTree, TreeNode,
    iter::{BaoChunk, ResponseIter},
};
use gaiwan_base::Hash;

use super::{
    encoder::halves,
    tree::{CHUNK_BYTES, hash_subtree, parent_hash, tree_of, truncate},
};
use crate::proto::ChunkRanges;

/// Bytes that are not what the hash says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bytes of the peer do not match the hash")]
pub struct DecodeError {
    /// Where in the blob.
    pub offset: u64,
}

/// A checked item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// Left and right hash of a node.
    Pair {
        /// Which.
        node: TreeNode,
        /// 64 bytes.
        pair: &'a [u8],
    },
    /// Bytes of the blob.
    Leaf {
        /// Where they belong.
        offset: u64,
        /// At most 16 KiB.
        data: &'a [u8],
    },
}

/// Takes the items of a response. It tells how many bytes the next one has, so that the caller can bring exactly those.
/// After an error it takes nothing more.
pub struct Decoder {
    tree: BaoTree,
    items: ResponseIter,
    next: Option<BaoChunk>,
    expected: Vec<[u8; 32]>,
}

impl Decoder {
    /// For `ranges` of the blob `hash`, of which the peer claims that it has `size` bytes. Nothing is allocated for it.
    pub fn new(hash: Hash, size: u64, ranges: ChunkRanges) -> Self {
        let tree = tree_of(size);
        let mut items = ResponseIter::new(tree, truncate(ranges, size));
        let next = items.next();
        Self { tree, items, next, expected: vec![*hash.as_bytes()] }
    }

    /// The tree of the claimed size.
    pub fn tree(&self) -> &BaoTree {
        &self.tree
    }

    /// Bytes of the next item, `None` after the last. An empty blob has one of no bytes.
    pub fn wants(&self) -> Option<usize> {
        self.next.as_ref().map(|item| match item {
            BaoChunk::Parent { .. } => 64,
            BaoChunk::Leaf { size, .. } => *size,
        })
    }

    /// Checks the next item, of exactly the bytes that [`Decoder::wants`] told.
    pub fn take<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Item<'a>>, DecodeError> {
        let Some(item) = self.next else { return Ok(None) };
        let expected = self.expected.pop().unwrap_or_default();
        let item = match item {
            BaoChunk::Parent { node, is_root, left, right, .. } => {
                let wrong = DecodeError { offset: node.chunk_range().start.to_bytes() };
                let pair: &[u8; 64] = bytes.try_into().map_err(|_| self.stop(wrong))?;
                let (left_hash, right_hash) = halves(pair);
                if parent_hash(&left_hash, &right_hash, is_root) != expected {
                    return Err(self.stop(wrong));
                }
                if right {
                    self.expected.push(right_hash);
                }
                if left {
                    self.expected.push(left_hash);
                }
                Item::Pair { node, pair: bytes }
            }
            BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                let offset = start_chunk.0 * CHUNK_BYTES;
                if bytes.len() != size || hash_subtree(start_chunk.0, bytes, is_root) != expected {
                    return Err(self.stop(DecodeError { offset }));
                }
                Item::Leaf { offset, data: bytes }
            }
        };
        self.next = self.items.next();
        Ok(Some(item))
    }

    fn stop(&mut self, error: DecodeError) -> DecodeError {
        self.next = None;
        error
    }
}
