//! What the store lacks of a request.

use std::collections::HashSet;

use gaiwan_base::{BlobFormat, Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use crate::{
    bao::GROUP_BYTES,
    proto::{Bitfield, ChunkRanges, ChunkRangesSeq, GetRequest, SeqBuilder},
    store::Store,
};

/// What is here of some content.
#[derive(Debug, Clone)]
pub struct Local {
    /// Bytes inside the request that are here.
    pub local_bytes: u64,
    /// Bytes of those blobs that are here whole.
    pub whole_bytes: u64,
    /// Hashes of blobs that are not complete, root included, each once; `None` while the hash sequence itself is missing, so that
    /// nobody knows its children.
    pub missing: Option<Vec<Hash>>,
    /// Ranges to ask for, by index; empty if all is here.
    pub request: ChunkRangesSeq,
    /// Blobs in the request, root included, as far as they are known.
    pub blobs: u64,
}

impl Local {
    /// Whether nothing is lacking.
    pub fn is_complete(&self) -> bool {
        self.request.is_empty()
    }

    /// The request for what is lacking.
    pub fn request(&self, hash: Hash) -> GetRequest {
        GetRequest::new(hash, self.request.clone())
    }
}

/// Looks at what is here of `content`; `ranges` are what is wanted of a raw blob.
///
/// Of a hash sequence that is not here the request is for its root alone, so that what is here of its children is not
/// brought twice.
pub fn local(
    store: &Store,
    content: HashAndFormat,
    ranges: &ChunkRanges,
) -> Result<Local, Failure> {
    let root = store.bitfield(&content.hash)?;
    if content.format == BlobFormat::Raw {
        let lacking = lacking(&root, ranges);
        let complete = lacking.is_empty();
        return Ok(Local {
            local_bytes: bytes_of(&root, ranges),
            whole_bytes: if root.is_complete() { root.size() } else { 0 },
            missing: Some(if complete { Vec::new() } else { vec![content.hash] }),
            request: if complete { ChunkRangesSeq::empty() } else { ChunkRangesSeq::root(lacking) },
            blobs: 1,
        });
    }
    if !root.is_complete() {
        let lacking = lacking(&root, &ChunkRanges::all());
        return Ok(Local {
            local_bytes: root.total_bytes(),
            whole_bytes: 0,
            missing: None,
            request: ChunkRangesSeq::root(lacking),
            blobs: 1,
        });
    }
    let mut found = Local {
        local_bytes: root.size(),
        whole_bytes: root.size(),
        missing: None,
        request: ChunkRangesSeq::empty(),
        blobs: 1,
    };
    let (mut missing, mut builder, mut failed) = (Vec::new(), SeqBuilder::default(), None);
    let mut wanted = HashSet::new();
    store.children(&content.hash, |child| {
        let index = found.blobs;
        found.blobs += 1;
        match store.bitfield(&child) {
            Ok(field) => {
                found.local_bytes = found.local_bytes.saturating_add(field.total_bytes());
                if field.is_complete() {
                    found.whole_bytes = found.whole_bytes.saturating_add(field.size());
                }
                let lacking = lacking(&field, &ChunkRanges::all());
                // One that comes a million times is brought once.
                if !lacking.is_empty() && wanted.insert(child) {
                    missing.push(child);
                    let next = std::mem::take(&mut builder);
                    builder = next.at(index, lacking);
                }
            }
            Err(failure) => failed = Some(failure),
        }
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    found.request = builder.build();
    found.missing = Some(missing);
    Ok(found)
}

/// What of `wanted` is not here, in whole groups.
pub(crate) fn lacking(field: &Bitfield, wanted: &ChunkRanges) -> ChunkRanges {
    if field.is_complete() {
        return ChunkRanges::empty();
    }
    let rounded = bao_tree::io::round_up_to_chunks_groups(wanted.clone(), crate::bao::BLOCK);
    let lacking = &rounded - field.ranges();
    // What lies past a size that is proven is not lacking.
    match field.validated_size() {
        Some(size) => {
            &lacking & &ChunkRanges::from(..bao_tree::ChunkNum(crate::bao::chunks_of(size)))
        }
        None => lacking,
    }
}

fn bytes_of(field: &Bitfield, wanted: &ChunkRanges) -> u64 {
    let rounded = bao_tree::io::round_up_to_chunks_groups(wanted.clone(), crate::bao::BLOCK);
    Bitfield::new(field.size(), field.ranges() & &rounded).total_bytes()
}

/// A range of bytes, rounded out to whole groups.
pub fn groups_of_bytes(start: u64, end: Option<u64>) -> ChunkRanges {
    let first = start / GROUP_BYTES * 16;
    match end {
        Some(end) if end <= start => ChunkRanges::empty(),
        Some(end) => ChunkRanges::from(
            bao_tree::ChunkNum(first)..bao_tree::ChunkNum(end.div_ceil(GROUP_BYTES) * 16),
        ),
        None => ChunkRanges::from(bao_tree::ChunkNum(first)..),
    }
}
