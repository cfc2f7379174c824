//! Blobs as a getter gets them.

use std::{io, ops::Range, sync::Mutex};

use bao_tree::ChunkNum;
use gaiwan_base::Hash;
use gaiwan_blobs::{
    bao::{Decoder, Encoder, Item, Pairs, hash_tree, outboard_bytes, pair_offset},
    proto::ChunkRanges,
    store::Batch,
};

struct Memory(Mutex<Vec<u8>>);

impl Pairs for Memory {
    fn write(&self, offset: u64, pairs: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        self.0.lock().unwrap()[start..start + pairs.len()].copy_from_slice(pairs);
        Ok(())
    }
}

/// The hash of content, and its pairs.
pub fn outboard(content: &[u8]) -> (Hash, Vec<u8>) {
    let size = content.len() as u64;
    let pairs = Memory(Mutex::new(vec![0; usize::try_from(outboard_bytes(size)).unwrap()]));
    let hashed = hash_tree(&content, size, &pairs, &|_| Ok(())).unwrap();
    (Hash::from_bytes(hashed.hash), pairs.0.into_inner().unwrap())
}

/// What a response with some groups gives a getter to store.
pub fn batch(hash: Hash, content: &[u8], outboard: &[u8], groups: Range<u64>) -> Batch {
    let ranges = ChunkRanges::from(ChunkNum(groups.start * 16)..ChunkNum(groups.end * 16));
    let size = content.len() as u64;
    let mut response = Vec::new();
    Encoder::new(hash, size, ranges.clone(), content, outboard)
        .step(&mut response, usize::MAX, &mut |_, _| {})
        .unwrap();
    let (mut decoder, mut batch) = (Decoder::new(hash, size, ranges), Batch::default());
    let mut rest = &response[..];
    while let Some(length) = decoder.wants() {
        let (item, after) = rest.split_at(length);
        rest = after;
        match decoder.take(item).unwrap() {
            Some(Item::Pair { node, pair }) => {
                if let Some(offset) = pair_offset(decoder.tree(), node) {
                    batch.push_pair(offset, pair);
                }
            }
            Some(Item::Leaf { offset, data }) => batch.push_data(offset, data),
            None => {}
        }
    }
    batch
}
