//! The blobs that a request selects, in order.

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;

use crate::{
    bao::truncated,
    proto::{ChunkRanges, ChunkRangesSeq, HashSeqWindow, hash_seq_len},
    store::{Reader, Store},
};

/// Walks over what a request selects: from one selected index to the next, whatever lies between them.
pub(crate) struct Walk {
    hashes: Hashes,
    ranges: ChunkRangesSeq,
    next: u64,
}

enum Hashes {
    /// Index 0 is the root, index i + 1 its child i.
    Seq {
        root: Hash,
        reader: Option<Box<Reader>>,
        window: Option<(u64, HashSeqWindow)>,
    },
    List(Vec<Hash>),
}

/// One selected blob.
pub(crate) struct Selected {
    pub(crate) index: u64,
    pub(crate) hash: Hash,
}

impl Walk {
    pub(crate) fn seq(root: Hash, ranges: ChunkRangesSeq) -> Self {
        Self { hashes: Hashes::Seq { root, reader: None, window: None }, ranges, next: 0 }
    }

    pub(crate) fn list(hashes: Vec<Hash>, ranges: ChunkRangesSeq) -> Self {
        Self { hashes: Hashes::List(hashes), ranges, next: 0 }
    }

    /// The next selected blob; `None` past the last. `PROTOCOL_VIOLATION` if the root is no hash sequence and a child is
    /// asked for.
    pub(crate) fn next(&mut self, store: &Store) -> Result<Option<Selected>, Failure> {
        let Some(index) = self.ranges.next_selected(self.next) else { return Ok(None) };
        let Some(hash) = self.hashes.at(index, store)? else { return Ok(None) };
        self.next = index.saturating_add(1);
        Ok(Some(Selected { index, hash }))
    }

    /// Where children are read from; of a list, which is not read, the empty blob.
    pub(crate) fn root(&self) -> Hash {
        match &self.hashes {
            Hashes::Seq { root, .. } => *root,
            Hashes::List(_) => Hash::EMPTY,
        }
    }

    /// What is selected of a blob of `size` bytes. Only that is copied: the same hundred thousand boundaries can hold for
    /// every one of a million small blobs.
    pub(crate) fn ranges(&self, index: u64, size: u64) -> ChunkRanges {
        truncated(self.ranges.at(index), size)
    }
}

impl Hashes {
    fn at(&mut self, index: u64, store: &Store) -> Result<Option<Hash>, Failure> {
        let (root, reader, window) = match self {
            Self::List(hashes) => {
                return Ok(usize::try_from(index).ok().and_then(|at| hashes.get(at)).copied());
            }
            Self::Seq { root, .. } if index == 0 => return Ok(Some(*root)),
            Self::Seq { root, reader, window } => (root, reader, window),
        };
        let reader = match reader {
            Some(reader) => reader,
            None => reader.insert(Box::new(store.reader(root)?)),
        };
        let size = reader.size();
        let Some(count) = hash_seq_len(size) else {
            let text = "the blob is no hash sequence: its size is no multiple of 32";
            return Err(Failure::new(ErrorCode::ProtocolViolation, text));
        };
        // Compared at once: an index far away costs no more than a near one.
        let child = index - 1;
        if child >= count {
            return Ok(None);
        }
        if let Some((_, window)) = window
            && let Some(hash) = window.get(child)
        {
            return Ok(Some(hash));
        }
        let Some(range) = HashSeqWindow::bytes_of(child, size) else { return Ok(None) };
        let bytes = reader.read(range.start, range.end)?;
        let Some(read) = HashSeqWindow::parse(child, &bytes) else { return Ok(None) };
        let hash = read.get(child);
        *window = Some((child, read));
        Ok(hash)
    }
}
