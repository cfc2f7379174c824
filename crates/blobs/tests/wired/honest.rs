//! What an honest provider would send, and whether a store holds nothing but that.

use std::{
    io,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use bao_tree::ChunkNum;
use bytes::Bytes;
use gaiwan_base::Hash;
use gaiwan_blobs::{
    bao::{Decoder, Encoder, Item, Pairs, hash_tree, outboard_bytes},
    proto::ChunkRanges,
    store::Store,
};

/// A blob with its proofs.
#[derive(Clone)]
pub struct Honest {
    pub hash: Hash,
    pub data: Bytes,
    outboard: Bytes,
}

struct Outboard(Mutex<Vec<u8>>);

impl Pairs for Outboard {
    fn write(&self, offset: u64, pairs: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).expect("a small outboard");
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all[start..start + pairs.len()].copy_from_slice(pairs);
        Ok(())
    }
}

/// One item of a response: where it lies in it, and where its bytes belong if it is a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub at: Range<usize>,
    pub leaf: Option<u64>,
}

impl Honest {
    pub fn new(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        let size = data.len() as u64;
        let room = usize::try_from(outboard_bytes(size)).expect("a small outboard");
        let pairs = Outboard(Mutex::new(vec![0; room]));
        let hashed = hash_tree(&&data[..], size, &pairs, &|_| Ok(())).expect("it is in memory");
        let outboard = pairs.0.into_inner().unwrap_or_else(PoisonError::into_inner).into();
        Self { hash: Hash::from_bytes(hashed.hash), data, outboard }
    }

    /// No two leaves of it are alike.
    pub fn of_size(size: u64) -> Self {
        let mut state = size ^ 0x9e37_79b9_7f4a_7c15;
        let bytes = (0..size).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
        Self::new(bytes.collect::<Vec<_>>())
    }

    pub fn size(&self) -> u64 {
        self.data.len() as u64
    }

    /// Size and items.
    pub fn response(&self, ranges: &ChunkRanges) -> Vec<u8> {
        let mut out = self.size().to_le_bytes().to_vec();
        let (data, outboard) = (self.data.clone(), self.outboard.clone());
        let mut items = Encoder::new(self.hash, self.size(), ranges.clone(), data, outboard);
        items.step(&mut out, usize::MAX, &mut |_, _| {}).expect("it is in memory");
        out
    }

    pub fn whole(&self) -> Vec<u8> {
        self.response(&ChunkRanges::all())
    }

    /// The items of the same response, after its size.
    pub fn parts(&self, ranges: &ChunkRanges) -> Vec<Part> {
        let response = self.response(ranges);
        let mut decoder = Decoder::new(self.hash, self.size(), ranges.clone());
        let (mut at, mut parts) = (8, Vec::new());
        while let Some(wants) = decoder.wants() {
            let item = decoder.take(&response[at..at + wants]).expect("it is honest");
            let leaf = match item {
                Some(Item::Leaf { offset, .. }) => Some(offset),
                _ => None,
            };
            parts.push(Part { at: at..at + wants, leaf });
            at += wants;
        }
        assert_eq!(at, response.len());
        parts
    }

    /// Reads all that `store` says it has of this blob: that must be there, verify, and be the truth. What it has.
    pub fn check(&self, store: &Store) -> ChunkRanges {
        let field = store.bitfield(&self.hash).expect("the store can be read");
        if field.ranges().is_empty() {
            return ChunkRanges::empty();
        }
        if let Some(size) = field.validated_size() {
            assert_eq!(size, self.size(), "a wrong size is said to be proven");
        }
        let reader = store.reader(&self.hash).expect("what is said to be here is here");
        for range in field.ranges().boundaries().chunks(2) {
            let start = range[0].to_bytes();
            let end = range.get(1).map_or(u64::MAX, ChunkNum::to_bytes).min(field.size());
            let read = reader.read(start, end).expect("what is said to be here verifies");
            assert!(end <= self.size(), "bytes past the end are said to be here");
            let (start, end) = (start.min(end) as usize, end as usize);
            assert_eq!(read, self.data[start..end], "{start}..{end}");
        }
        let end = ChunkRanges::from(..ChunkNum(self.size().div_ceil(1024).max(1)));
        field.ranges() & &end
    }

    /// All of it is in `store`.
    pub fn assert_complete(&self, store: &Store) {
        assert!(store.bitfield(&self.hash).expect("the store can be read").is_complete());
        assert_eq!(store.get(&self.hash, u64::MAX).expect("it is here"), self.data);
    }
}

/// Chunks from one to before another.
pub fn chunks(range: Range<u64>) -> ChunkRanges {
    ChunkRanges::from(ChunkNum(range.start)..ChunkNum(range.end))
}
