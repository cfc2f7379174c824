//! A blob read as a list of hashes, 32 bytes each and nothing else (iroh-blobs 0.104.0,
//! `src/hashseq.rs`). A list is never needed as a whole: it is read a window at a time.

use gaiwan_base::Hash;

/// Hashes in one window: those of one chunk, which is there as a whole or not at all.
pub const HASHES_A_WINDOW: u64 = 32;

/// Bytes of a hash.
const HASH_BYTES: u64 = Hash::LENGTH as u64;

/// How many hashes a blob of `size` bytes holds; `None` if it is no list.
pub const fn hash_seq_len(size: u64) -> Option<u64> {
    if size.is_multiple_of(HASH_BYTES) { Some(size / HASH_BYTES) } else { None }
}

/// One chunk's worth of a list, or less at its end.
///
/// ```
/// use gaiwan_blobs::proto::HashSeqWindow;
///
/// assert_eq!(HashSeqWindow::bytes_of(40, 3200), Some(1024..2048));
/// let window = HashSeqWindow::parse(40, &[7; 1024]).unwrap();
/// assert_eq!(window.get(63).map(|hash| hash.as_bytes()[0]), Some(7));
/// assert_eq!(window.get(64), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashSeqWindow {
    first: u64,
    hashes: Vec<Hash>,
}

impl HashSeqWindow {
    /// Which bytes to read for the window that holds hash `index`, of a list of `size` bytes; `None`
    /// if the list ends before it, or is none.
    pub fn bytes_of(index: u64, size: u64) -> Option<std::ops::Range<u64>> {
        if index >= hash_seq_len(size)? {
            return None;
        }
        let start = index / HASHES_A_WINDOW * HASHES_A_WINDOW * HASH_BYTES;
        Some(start..size.min(start.saturating_add(HASHES_A_WINDOW * HASH_BYTES)))
    }

    /// Reads the window that holds hash `index` from its bytes; `None` unless they are 1 to 32
    /// whole hashes.
    pub fn parse(index: u64, bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks();
        if !rest.is_empty() || hashes.is_empty() || hashes.len() as u64 > HASHES_A_WINDOW {
            return None;
        }
        let first = index / HASHES_A_WINDOW * HASHES_A_WINDOW;
        Some(Self { first, hashes: hashes.iter().copied().map(Hash::from_bytes).collect() })
    }

    /// Hash `index` of the whole list, if it lies in this window.
    pub fn get(&self, index: u64) -> Option<Hash> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.hashes.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g5_a_blob_that_is_no_multiple_of_32_bytes_is_no_list() {
        for (size, length) in [(0, 0), (32, 1), (1 << 40, 1 << 35)] {
            assert_eq!(hash_seq_len(size), Some(length));
        }
        for size in [1, 31, 33, u64::MAX] {
            assert_eq!(hash_seq_len(size), None);
            assert_eq!(HashSeqWindow::bytes_of(0, size), None);
        }
    }

    #[test]
    fn g5_the_last_hash_of_a_huge_list_is_one_window_away() {
        let size = u64::MAX - 31;
        let last = size / 32 - 1;
        assert_eq!(HashSeqWindow::bytes_of(last, size), Some(size - 992..size));
        assert_eq!(HashSeqWindow::bytes_of(last + 1, size), None);
        assert_eq!(HashSeqWindow::bytes_of(u64::MAX, size), None);
    }

    #[test]
    fn a_window_is_a_chunk_or_what_is_left() {
        let bytes: Vec<u8> = (0..33u8).flat_map(|index| [index; 32]).collect();
        let size = bytes.len() as u64;
        for index in 0..33 {
            let range = HashSeqWindow::bytes_of(index, size).unwrap();
            let part = &bytes[range.start as usize..range.end as usize];
            let window = HashSeqWindow::parse(index, part).unwrap();
            assert_eq!(window.get(index), Some(Hash::from_bytes([index as u8; 32])));
            assert_eq!(window.get(index ^ 32), None);
        }
        assert_eq!(HashSeqWindow::bytes_of(33, size), None);
    }

    #[test]
    fn g5_bytes_that_are_no_window_are_refused() {
        for length in [0, 1, 31, 33, 1025, 1056] {
            assert_eq!(HashSeqWindow::parse(0, &vec![0; length]), None, "{length}");
        }
    }
}
