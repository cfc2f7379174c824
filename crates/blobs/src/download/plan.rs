//! What one provider is asked for at a time.

use std::{collections::HashSet, ops::Range};

use bao_tree::ChunkNum;
use gaiwan_base::{Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use crate::{
    bao::{CHUNK_BYTES, chunks_of},
    getter::lacking,
    proto::{Bitfield, ChunkRanges, ChunkRangesSeq, GetRequest, SeqBuilder},
    store::Store,
};

/// Bytes of a piece of one blob, where several providers share it.
const PIECE: u64 = 16 << 20;
/// Children of a piece of a hash sequence, where several share it, and most in one request: so many entries and their
/// boundaries are far below what a request can hold.
const CHILDREN: u64 = 64;
const MOST_CHILDREN: u64 = 16_384;
/// Boundaries of one request: far below what a provider takes, and with ten bytes each below a message.
const BOUNDARIES: usize = 64 * 1024;

/// A part of the download that one provider is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    /// Unique within the download.
    pub(super) id: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Ranges of the blob itself.
    Root(ChunkRanges),
    /// Children from an index to before another, 0 being the first.
    Children(Range<u64>),
}

impl Task {
    /// What of it is still lacking, as a request, and whether that is cut because it is more than one request can hold;
    /// `None` if nothing is. A child that comes many times is asked for once.
    pub(super) fn request(
        &self,
        store: &Store,
        hash: Hash,
    ) -> Result<Option<(GetRequest, bool)>, Failure> {
        let mut room = BOUNDARIES;
        let seq = match &self.what {
            What::Root(ranges) => {
                let lacking = cut(lacking(&store.bitfield(&hash)?, ranges), &mut room);
                if lacking.is_empty() {
                    return Ok(None);
                }
                ChunkRangesSeq::root(lacking)
            }
            What::Children(range) => {
                let (mut builder, mut seen) = (SeqBuilder::default(), HashSet::new());
                for (index, child) in store.children_in(&hash, range.clone())? {
                    if room == 0 {
                        break;
                    }
                    let lacking = lacking(&store.bitfield(&child)?, &ChunkRanges::all());
                    if !lacking.is_empty() && seen.insert(child) {
                        builder = builder.at(index + 1, cut(lacking, &mut room));
                    }
                }
                if seen.is_empty() {
                    return Ok(None);
                }
                builder.build()
            }
        };
        Ok(Some((GetRequest::new(hash, seq), room == 0)))
    }

    /// Whether a provider that tells of `has` can serve it.
    pub(super) fn is_in(&self, has: &Bitfield) -> bool {
        match &self.what {
            What::Root(ranges) => {
                let end = ChunkRanges::from(..ChunkNum(chunks_of(has.size())));
                (&(ranges & &end) - has.ranges()).is_empty()
            }
            What::Children(_) => true,
        }
    }
}

/// As much of `ranges` as there is room for boundaries.
fn cut(ranges: ChunkRanges, room: &mut usize) -> ChunkRanges {
    let boundaries = ranges.boundaries();
    let Some(rest) = room.checked_sub(boundaries.len()) else {
        // Whole ranges only: what follows must not be open.
        let kept = boundaries[..*room / 2 * 2].iter().copied().collect();
        *room = 0;
        return ChunkRanges::new(kept).unwrap_or_else(ChunkRanges::empty);
    };
    *room = rest;
    ranges
}

/// The tasks for what is lacking of a blob of `size` bytes.
pub(super) fn pieces(lacking: &ChunkRanges, size: u64, split: bool) -> Vec<What> {
    if !split {
        return vec![What::Root(lacking.clone())];
    }
    let chunks = PIECE / CHUNK_BYTES;
    let count = chunks_of(size).div_ceil(chunks);
    let mut pieces: Vec<_> = (0..count)
        .map(|n| lacking & &ChunkRanges::from(ChunkNum(n * chunks)..ChunkNum((n + 1) * chunks)))
        .filter(|piece| !piece.is_empty())
        .collect();
    // The last one is open ended, so that its request proves the size.
    if let Some(last) = pieces.last_mut()
        && last.contains(&ChunkNum(chunks_of(size) - 1))
    {
        *last |= ChunkRanges::from(ChunkNum(chunks_of(size) - 1)..);
    }
    pieces.into_iter().map(What::Root).collect()
}

/// The tasks for `count` children.
pub(super) fn children(count: u64, split: bool) -> Vec<What> {
    let step = if split { CHILDREN } else { MOST_CHILDREN };
    (0..count.div_ceil(step))
        .map(|n| What::Children(n * step..((n + 1) * step).min(count)))
        .collect()
}

/// Raw or the root of a sequence.
pub(super) fn is_seq(content: HashAndFormat) -> bool {
    content.format == gaiwan_base::BlobFormat::HashSeq
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_groups_together_all_that_is_lacking_and_the_last_is_open() {
        let size = 50 << 20;
        let lacking = &ChunkRanges::all() - &ChunkRanges::from(ChunkNum(16)..ChunkNum(64));
        let pieces = pieces(&lacking, size, true);
        assert_eq!(pieces.len(), 4);
        let mut all = ChunkRanges::empty();
        for piece in &pieces {
            let What::Root(ranges) = piece else { panic!("{piece:?}") };
            assert!((&all & ranges).is_empty());
            assert!(
                ranges
                    .boundaries()
                    .iter()
                    .all(|boundary| boundary.0 % 16 == 0 || boundary.0 == (size >> 10) - 1)
            );
            all |= ranges.clone();
        }
        assert_eq!(all, lacking);
    }

    #[test]
    fn what_is_scattered_is_cut_to_whole_ranges() {
        let scattered = (0..10).fold(ChunkRanges::empty(), |all, n| {
            all | ChunkRanges::from(ChunkNum(n * 32)..ChunkNum(n * 32 + 16))
        });
        let mut room = 7;
        assert_eq!(cut(scattered.clone(), &mut room).boundaries().len(), 6);
        assert_eq!(room, 0);
        let mut room = 21;
        assert_eq!(cut(scattered.clone(), &mut room), scattered);
        assert_eq!(cut(ChunkRanges::all(), &mut room), ChunkRanges::all());
        assert_eq!((room, cut(scattered, &mut room)), (0, ChunkRanges::empty()));
    }

    #[test]
    fn children_are_shared_in_runs() {
        assert_eq!(children(0, true), []);
        assert_eq!(children(65, true), [What::Children(0..64), What::Children(64..65)]);
        assert_eq!(children(65, false), [What::Children(0..65)]);
    }
}
