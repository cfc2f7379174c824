//! Which chunks of one blob.
//!
//! On the wire (`RangeSpec` of iroh-blobs 0.104.0, `src/protocol/range_spec.rs`): a count, then that
//! many widths in chunks of 1,024 bytes. The spans that they measure are in turn not selected and
//! selected, from chunk 0 on, and the one after the last goes on for ever.
//!
//! | Bytes | Chunks |
//! |---|---|
//! | `00` | none |
//! | `01 00` | all |
//! | `01 40` | from 64 on |
//! | `02 00 40` | the first 64 |
//! | `01 ff×9 01` | the last, whatever its number: a proof of the size |

pub use bao_tree::ChunkRanges;

use std::ops::{Bound, RangeBounds};

use bao_tree::ChunkNum;

use super::wire::{Reader, WireError, put_varint};

/// Most boundaries that all ranges of one request can have together, 1 MiB of memory. The
/// reference takes what fits into a message, about eight times as many.
pub const MAX_BOUNDARIES: usize = 1 << 17;

/// Why bytes are no chunk ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangesError {
    /// Cut short, a malformed number, or one that is not in its shortest form.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A span after the first is empty; whoever encodes leaves it out.
    #[error("a span of chunks is empty")]
    ZeroWidth,
    /// The widths add up to more than a chunk number can be.
    #[error("the widths of the spans overflow")]
    Overflow,
    /// More than [`MAX_BOUNDARIES`].
    #[error("more than {MAX_BOUNDARIES} boundaries")]
    TooMany,
}

/// The chunks that hold a range of bytes, rounded out.
pub fn chunks_of_bytes(bytes: impl RangeBounds<u64>) -> ChunkRanges {
    let start = match bytes.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(&u64::MAX) => return ChunkRanges::empty(),
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    };
    let end = match bytes.end_bound() {
        Bound::Included(last) => last.checked_add(1),
        Bound::Excluded(end) => Some(*end),
        Bound::Unbounded => None,
    };
    let first = ChunkNum::full_chunks(start);
    match end {
        None => ChunkRanges::from(first..),
        Some(end) if start < end => ChunkRanges::from(first..ChunkNum::chunks(end)),
        Some(_) => ChunkRanges::empty(),
    }
}

/// The last chunk of a blob of any size: whoever has it with its proof knows the size.
pub fn last_chunk() -> ChunkRanges {
    ChunkRanges::from(ChunkNum(u64::MAX)..)
}

/// Writes ranges in their one form.
pub fn encode_ranges(ranges: &ChunkRanges) -> Vec<u8> {
    let mut out = Vec::new();
    put_ranges(&mut out, ranges);
    out
}

/// Reads ranges, and gives back what follows them.
///
/// Takes nothing that [`encode_ranges`] would not write, so these ranges have one form only. That
/// is the rule of the reference but for numbers with leading zeros, which it lets pass.
pub fn decode_ranges(bytes: &[u8]) -> Result<(ChunkRanges, &[u8]), RangesError> {
    let mut reader = Reader::new(bytes);
    let ranges = take_ranges(&mut reader, &mut { MAX_BOUNDARIES })?;
    Ok((ranges, reader.rest()))
}

pub(super) fn put_ranges(out: &mut Vec<u8>, ranges: &ChunkRanges) {
    let boundaries = ranges.boundaries();
    put_varint(out, boundaries.len() as u64);
    let mut before = 0;
    for boundary in boundaries {
        put_varint(out, boundary.0 - before);
        before = boundary.0;
    }
}

/// Takes ranges off, and their boundaries from `budget`.
pub(super) fn take_ranges(
    reader: &mut Reader<'_>,
    budget: &mut usize,
) -> Result<ChunkRanges, RangesError> {
    let count = reader.shortest_count(1)?;
    *budget = budget.checked_sub(count).ok_or(RangesError::TooMany)?;
    let mut at = 0u64;
    let boundaries = (0..count).map(|index| {
        let width = reader.shortest_varint()?;
        if width == 0 && index > 0 {
            return Err(RangesError::ZeroWidth);
        }
        at = at.checked_add(width).ok_or(RangesError::Overflow)?;
        Ok(ChunkNum(at))
    });
    ChunkRanges::new(boundaries.collect::<Result<_, _>>()?).ok_or(RangesError::ZeroWidth)
}

/// Any ranges, for the properties of this room.
#[cfg(test)]
pub(super) fn any_ranges() -> impl proptest::strategy::Strategy<Value = ChunkRanges> {
    use proptest::prelude::*;
    let boundary = prop_oneof![0..200u64, any::<u64>(), Just(u64::MAX)];
    proptest::collection::btree_set(boundary, 0..12).prop_map(|boundaries| {
        ChunkRanges::new(boundaries.into_iter().map(ChunkNum).collect()).unwrap()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunks(range: std::ops::Range<u64>) -> ChunkRanges {
        ChunkRanges::from(ChunkNum(range.start)..ChunkNum(range.end))
    }

    #[test]
    fn bytes_are_rounded_out_to_chunks() {
        assert_eq!(chunks_of_bytes(..), ChunkRanges::all());
        assert_eq!(chunks_of_bytes(0..1), chunks(0..1));
        assert_eq!(chunks_of_bytes(1023..1025), chunks(0..2));
        assert_eq!(chunks_of_bytes(1024..=2047), chunks(1..2));
        assert_eq!(chunks_of_bytes(1024..=2048), chunks(1..3));
        assert_eq!(chunks_of_bytes(2048..), ChunkRanges::from(ChunkNum(2)..));
        assert_eq!(chunks_of_bytes(5..5), ChunkRanges::empty());
        assert_eq!(chunks_of_bytes(1..=u64::MAX), ChunkRanges::all());
        assert_eq!(chunks_of_bytes(..u64::MAX), chunks(0..1 << 54));
        let after = (Bound::Excluded(1023), Bound::Excluded(1025));
        assert_eq!(chunks_of_bytes(after), chunks(1..2));
        assert_eq!(
            chunks_of_bytes((Bound::Excluded(u64::MAX), Bound::Unbounded)),
            ChunkRanges::empty()
        );
    }

    #[test]
    fn p3_what_no_encoder_writes_is_refused() {
        let most = [&[0xff; 9][..], &[1]].concat();
        let cases = [
            (vec![], RangesError::Wire(WireError::CutShort)),
            (vec![2, 1, 0], RangesError::ZeroWidth),
            (vec![3, 0, 5, 0], RangesError::ZeroWidth),
            ([&[2][..], &most, &[1]].concat(), RangesError::Overflow),
            (vec![0x81, 0, 5], RangesError::Wire(WireError::Number)),
            (vec![1, 0x85, 0], RangesError::Wire(WireError::Number)),
            (vec![1, 0x80], RangesError::Wire(WireError::CutShort)),
            ([&[1][..], &[0x80; 10]].concat(), RangesError::Wire(WireError::Number)),
            (vec![2, 5], RangesError::Wire(WireError::Count)),
            ([&most[..], &[0]].concat(), RangesError::Wire(WireError::Count)),
        ];
        for (bytes, error) in cases {
            assert_eq!(decode_ranges(&bytes), Err(error), "{bytes:02x?}");
        }
    }

    #[test]
    fn p5_more_boundaries_than_the_limit_are_refused() {
        let of = |count: usize| {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, count as u64);
            bytes.resize(bytes.len() + count, 1);
            bytes
        };
        let most = of(MAX_BOUNDARIES);
        let (ranges, rest) = decode_ranges(&most).unwrap();
        assert_eq!((ranges.boundaries().len(), rest.len()), (MAX_BOUNDARIES, 0));
        assert_eq!(decode_ranges(&of(MAX_BOUNDARIES + 1)), Err(RangesError::TooMany));
    }

    proptest! {
        #[test]
        fn ranges_come_back_and_what_follows_stays(ranges in any_ranges(), tail: Vec<u8>) {
            let bytes = [encode_ranges(&ranges), tail.clone()].concat();
            prop_assert_eq!(decode_ranges(&bytes), Ok((ranges, &tail[..])));
        }

        #[test]
        fn p3_any_bytes_are_refused_or_are_the_one_form(bytes in proptest::collection::vec(
            prop_oneof![3 => 0..8u8, 1 => any::<u8>()], 0..24,
        )) {
            if let Ok((ranges, rest)) = decode_ranges(&bytes) {
                prop_assert_eq!([&encode_ranges(&ranges)[..], rest].concat(), bytes);
            }
        }
    }
}
