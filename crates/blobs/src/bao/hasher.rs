//! Hash and outboard of bytes that are here already, on several cores.

use std::{io, sync::OnceLock};

use bao_tree::TreeNode;

use super::{
    read_at::ReadAt,
    tree::{CHUNK_BYTES, PAIR_BYTES, hash_subtree, outboard_bytes, parent_hash},
};

/// A piece that one thread reads and hashes at a time; its pairs are one write.
const PIECE: u64 = 1 << 20;
/// Chunks of a group.
const GROUP_CHUNKS: u64 = 16;

/// Where the outboard goes.
pub trait Pairs: Send + Sync {
    /// Writes pairs, 64 bytes each, at an offset of the outboard.
    fn write(&self, offset: u64, pairs: &[u8]) -> io::Result<()>;
}

/// What came of hashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// BLAKE3 of all.
    pub hash: [u8; 32],
    /// Bytes.
    pub size: u64,
}

/// Hashes `size` bytes of `data` and writes the outboard to `pairs`. Uses all threads of the pool that it runs in;
/// memory is a megabyte a thread, whatever the size.
///
/// `note` hears of every piece that is done, from any thread; an error of it ends the work.
pub fn hash_tree(
    data: &dyn ReadAt,
    size: u64,
    pairs: &dyn Pairs,
    note: &(dyn Fn(u64) -> io::Result<()> + Sync),
) -> io::Result<Hashed> {
    let work = Work { data, pairs, note, failed: OnceLock::new() };
    match work.subtree(0, size, 0, true) {
        Some(hash) => Ok(Hashed { hash, size }),
        None => Err(work.failed.into_inner().unwrap_or_else(|| io::ErrorKind::Interrupted.into())),
    }
}

struct Work<'a> {
    data: &'a dyn ReadAt,
    pairs: &'a dyn Pairs,
    note: &'a (dyn Fn(u64) -> io::Result<()> + Sync),
    /// The first failure, after which no piece begins: `join` runs both halves, whatever becomes of one.
    failed: OnceLock<io::Error>,
}

impl Work<'_> {
    /// The subtree over `length` bytes at `start`, whose pairs begin at `offset` of the outboard: first its own, then
    /// those of the left half, then those of the right. `None` once something failed.
    fn subtree(&self, start: u64, length: u64, offset: u64, is_root: bool) -> Option<[u8; 32]> {
        if self.failed.get().is_some() {
            return None;
        }
        if length <= PIECE {
            return self.noted(self.piece(start, length, offset, is_root));
        }
        let left = left_bytes(length);
        let right_offset = offset + PAIR_BYTES + outboard_bytes(left);
        let (left, right) = rayon::join(
            || self.subtree(start, left, offset + PAIR_BYTES, false),
            || self.subtree(start + left, length - left, right_offset, false),
        );
        let (left, right) = (left?, right?);
        self.noted(self.pairs.write(offset, &[left, right].concat()))?;
        Some(parent_hash(&left, &right, is_root))
    }

    fn noted<T>(&self, result: io::Result<T>) -> Option<T> {
        result.map_err(|error| drop(self.failed.set(error))).ok()
    }

    fn piece(&self, start: u64, length: u64, offset: u64, is_root: bool) -> io::Result<[u8; 32]> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.data.read_at(start, &mut bytes)?;
        let mut pairs = Vec::with_capacity(usize::try_from(outboard_bytes(length)).unwrap_or(0));
        let hash = hash_piece(start / CHUNK_BYTES, &bytes, is_root, &mut pairs);
        if !pairs.is_empty() {
            self.pairs.write(offset, &pairs)?;
        }
        (self.note)(length)?;
        Ok(hash)
    }
}

/// Appends the pairs in pre-order.
fn hash_piece(start_chunk: u64, data: &[u8], is_root: bool, pairs: &mut Vec<u8>) -> [u8; 32] {
    if data.len() as u64 <= GROUP_CHUNKS * CHUNK_BYTES {
        return hash_subtree(start_chunk, data, is_root);
    }
    let at = pairs.len();
    pairs.resize(at + 64, 0);
    let left_bytes = left_bytes(data.len() as u64);
    let (left, right) = data.split_at(usize::try_from(left_bytes).unwrap_or(0));
    let left = hash_piece(start_chunk, left, false, pairs);
    let right = hash_piece(start_chunk + left_bytes / CHUNK_BYTES, right, false, pairs);
    pairs[at..at + 32].copy_from_slice(&left);
    pairs[at + 32..at + 64].copy_from_slice(&right);
    parent_hash(&left, &right, is_root)
}

/// Bytes of the left subtree: the largest power of two of chunks that leaves something to the right (BLAKE3, section 2.1).
pub(crate) fn left_bytes(length: u64) -> u64 {
    let chunks = length.div_ceil(CHUNK_BYTES);
    (chunks.next_power_of_two() / 2) * CHUNK_BYTES
}

/// The pair of `node`, computed from the bytes of the group that it lies in.
pub(super) fn pair_in_group(
    node: TreeNode,
    group_start: u64,
    group: &[u8],
) -> ([u8; 32], [u8; 32]) {
    let cut = |chunk: u64| {
        let at = usize::try_from((chunk * CHUNK_BYTES).saturating_sub(group_start)).unwrap_or(0);
        at.min(group.len())
    };
    let range = node.chunk_range();
    let mid = node.mid();
    let (start, mid_at, end) = (cut(range.start.0), cut(mid.0), cut(range.end.0));
    let left = hash_subtree(range.start.0, &group[start..mid_at], false);
    let right = hash_subtree(mid.0, &group[mid_at..end], false);
    (left, right)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Memory(Mutex<Vec<u8>>);

    impl Pairs for Memory {
        fn write(&self, offset: u64, pairs: &[u8]) -> io::Result<()> {
            let start = usize::try_from(offset).unwrap();
            self.0.lock().unwrap()[start..start + pairs.len()].copy_from_slice(pairs);
            Ok(())
        }
    }

    /// Zeros without end.
    struct Zeros;

    impl ReadAt for Zeros {
        fn read_at(&self, _: u64, target: &mut [u8]) -> io::Result<()> {
            target.fill(0);
            Ok(())
        }
    }

    #[test]
    fn a_failure_ends_the_work_of_all_threads() {
        let size = 1_000 * PIECE;
        let pairs = Memory(Mutex::new(vec![0; usize::try_from(outboard_bytes(size)).unwrap()]));
        let pieces = std::sync::atomic::AtomicUsize::new(0);
        let note = |_| {
            pieces.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Err(io::Error::other("enough"))
        };
        let error = hash_tree(&Zeros, size, &pairs, &note).unwrap_err();
        assert_eq!(error.to_string(), "enough");
        // Each was at one at most.
        assert!(pieces.into_inner() <= rayon::current_num_threads());
    }

    #[test]
    fn a_blob_larger_than_a_piece_has_the_hash_of_blake3_and_all_pairs() {
        for size in
            [0, 1, 1024, 16_384, 16_385, 100_000, PIECE, PIECE + 1, 3 * PIECE + 12_345, 5 << 20]
        {
            let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let pairs =
                Memory(Mutex::new(vec![0xff; usize::try_from(outboard_bytes(size)).unwrap()]));
            let done = std::sync::atomic::AtomicU64::new(0);
            let note = |bytes| {
                done.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            };
            let hashed = hash_tree(&&data[..], size, &pairs, &note).unwrap();
            assert_eq!(hashed, Hashed { hash: *blake3::hash(&data).as_bytes(), size });
            assert_eq!(done.into_inner(), size);
            // The order of the pairs is that of bao-tree.
            let theirs =
                bao_tree::io::outboard::PreOrderMemOutboard::create(&data, crate::bao::BLOCK);
            assert_eq!(*pairs.0.lock().unwrap(), theirs.data, "{size}");
        }
    }
}
