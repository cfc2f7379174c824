//! Verified streaming: the tree that BLAKE3 hashes a blob by, with pairs of hashes kept for groups of 16 KiB.
//!
//! Everything here is synchronous and works a step at a time, so that nobody who waits for a peer holds a thread.
//!
//! | Module | Noun |
//! |---|---|
//! | `tree` | sizes and places: groups, pairs, truncated ranges |
//! | `read_at` | [`ReadAt`], bytes at an offset, from a file or from memory |
//! | `hasher` | [`hash_tree`], hash and outboard of bytes that are here, on several cores |
//! | `encoder` | [`Encoder`], the response to a request, checked before it leaves |
//! | `decoder` | [`Decoder`], a response, checked before anyone sees it |

mod decoder;
mod encoder;
mod hasher;
mod read_at;
mod tree;

pub use decoder::{DecodeError, Decoder, Item};
pub(crate) use encoder::halves;
pub use encoder::{EncodeError, Encoder};
pub(crate) use hasher::left_bytes;
pub use hasher::{Hashed, Pairs, hash_tree};
pub use read_at::ReadAt;
pub use tree::{
    BLOCK, CHUNK_BYTES, GROUP_BYTES, PAIR_BYTES, chunks_of, groups_of, hash_subtree,
    outboard_bytes, pair_offset, parent_hash, tree_of, truncate, truncated,
};
