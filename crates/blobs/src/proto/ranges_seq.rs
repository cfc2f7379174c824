//! Which chunks of a blob and of each of its children.
//!
//! On the wire (`ChunkRangesSeq` of iroh-blobs 0.104.0, `src/protocol/range_spec.rs`): a count, then
//! that many pairs of an index, as the difference to the one before, and chunk ranges. Ranges hold
//! from their index up to the next pair's, the last ones for ever; before the first there is nothing.

use super::{
    SeqBuilder,
    ranges::{ChunkRanges, MAX_BOUNDARIES, RangesError, last_chunk, put_ranges, take_ranges},
    wire::{Reader, WireError, put_varint},
};

/// Most pairs that one sequence can have, 2.5 MiB of memory.
pub const MAX_ENTRIES: usize = 1 << 16;

/// Why bytes are no sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeqError {
    /// Cut short, a malformed number, or one that is not in its shortest form.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The ranges of a pair are malformed.
    #[error(transparent)]
    Ranges(#[from] RangesError),
    /// Two pairs have one index.
    #[error("an index comes twice")]
    ZeroDelta,
    /// The differences add up to more than an index can be.
    #[error("an index overflows")]
    Overflow,
    /// Ranges equal those before them, so whoever encodes leaves them out.
    #[error("ranges are repeated")]
    Repeated,
    /// More than [`MAX_ENTRIES`].
    #[error("more than {MAX_ENTRIES} ranges")]
    TooMany,
}

static NOTHING: std::sync::LazyLock<ChunkRanges> = std::sync::LazyLock::new(ChunkRanges::empty);

/// Chunk ranges for every index there is: in a Get 0 is the root and i + 1 its child i, in a
/// GetMany i is hash i.
///
/// Kept as runs, and walked by jumping from run to run: an index far away costs no more than a near
/// one. Two sequences that select the same are equal.
///
/// ```
/// use gaiwan_blobs::proto::{ChunkRanges, ChunkRangesSeq};
///
/// let far = ChunkRangesSeq::child(1 << 60, ChunkRanges::all());
/// assert_eq!(far.next_selected(0), Some((1 << 60) + 1));
/// assert_eq!(far.next_selected((1 << 60) + 2), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkRangesSeq {
    /// Indexes rise, and no ranges equal those before them, where "before the first" is empty.
    runs: Vec<(u64, ChunkRanges)>,
}

impl ChunkRangesSeq {
    /// Nothing of anything.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Everything of everything, for ever.
    pub fn all() -> Self {
        Self::from_ranges_infinite([ChunkRanges::all()])
    }

    /// These chunks of index 0.
    pub fn root(ranges: ChunkRanges) -> Self {
        Self::from_ranges([ranges])
    }

    /// The whole of index 0.
    pub fn blob() -> Self {
        Self::root(ChunkRanges::all())
    }

    /// The last chunk of index 0, a proof of its size.
    pub fn verified_size() -> Self {
        Self::root(last_chunk())
    }

    /// The whole of index 0 and the last chunk of all others: a list and the sizes in it.
    pub fn verified_child_sizes() -> Self {
        Self::from_ranges_infinite([ChunkRanges::all(), last_chunk()])
    }

    /// These chunks of child `child`, which is index `child + 1`. A child that no list could be long
    /// enough for selects nothing.
    pub fn child(child: u64, ranges: ChunkRanges) -> Self {
        match child.checked_add(1) {
            Some(index) => SeqBuilder::default().at(index, ranges).build(),
            None => Self::empty(),
        }
    }

    /// Ranges for index 0, 1 and so on, and nothing after the last.
    pub fn from_ranges(ranges: impl IntoIterator<Item = ChunkRanges>) -> Self {
        Self::from_ranges_infinite(ranges.into_iter().chain([ChunkRanges::empty()]))
    }

    /// Ranges for index 0, 1 and so on; the last ones hold for ever.
    pub fn from_ranges_infinite(ranges: impl IntoIterator<Item = ChunkRanges>) -> Self {
        let mut seq = Self::empty();
        for (index, ranges) in (0..).zip(ranges) {
            seq.push(index, ranges);
        }
        seq
    }

    /// Starts with nothing selected.
    pub fn builder() -> SeqBuilder {
        SeqBuilder::default()
    }

    /// The ranges of one index.
    pub fn at(&self, index: u64) -> &ChunkRanges {
        match self.run_of(index) {
            Some(run) => &self.runs[run].1,
            None => &NOTHING,
        }
    }

    /// The first index from `from` on of which something is selected.
    pub fn next_selected(&self, from: u64) -> Option<u64> {
        let next = match self.run_of(from) {
            Some(run) if !self.runs[run].1.is_empty() => return Some(from),
            Some(run) => run + 1,
            None => 0,
        };
        // Neighbours differ, so what follows an empty run is not empty.
        self.runs.get(next).map(|(index, _)| *index)
    }

    /// Every index below `end` of which something is selected, with its ranges.
    pub fn selected(&self, end: u64) -> impl Iterator<Item = (u64, &ChunkRanges)> {
        let next = move |from| self.next_selected(from).filter(|index| *index < end);
        std::iter::successors(next(0), move |index| next(index.checked_add(1)?))
            .map(|index| (index, self.at(index)))
    }

    /// The index after the last of which something is selected; `None` if they go on for ever.
    pub fn end(&self) -> Option<u64> {
        match self.runs.last() {
            None => Some(0),
            Some((index, ranges)) => ranges.is_empty().then_some(*index),
        }
    }

    /// Whether nothing is selected at all.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether everything is selected for ever.
    pub fn is_all(&self) -> bool {
        matches!(&self.runs[..], [(0, ranges)] if ranges.is_all())
    }

    /// Whether index 0 alone is selected, so that the root need not be a list: exactly two pairs,
    /// the second for index 1 and empty.
    pub fn is_blob(&self) -> bool {
        matches!(&self.runs[..], [(0, _), (1, rest)] if rest.is_empty())
    }

    /// How many pairs it has on the wire, and how many boundaries in all of them.
    pub fn weight(&self) -> (usize, usize) {
        (self.runs.len(), self.runs.iter().map(|(_, ranges)| ranges.boundaries().len()).sum())
    }

    /// Writes it in its one form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// Reads a sequence, and gives back what follows it.
    ///
    /// Takes nothing that [`ChunkRangesSeq::encode`] would not write. That is the rule of the
    /// reference but for numbers with leading zeros, which it lets pass, and for the limits.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), SeqError> {
        let mut reader = Reader::new(bytes);
        let seq = Self::take(&mut reader)?;
        Ok((seq, reader.rest()))
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.runs.len() as u64);
        let mut before = 0;
        for (index, ranges) in &self.runs {
            put_varint(out, index - before);
            put_ranges(out, ranges);
            before = *index;
        }
    }

    pub(super) fn take(reader: &mut Reader<'_>) -> Result<Self, SeqError> {
        // A pair is a difference and the count of its boundaries, a byte each at least.
        let count = reader.shortest_count(2)?;
        if count > MAX_ENTRIES {
            return Err(SeqError::TooMany);
        }
        let mut budget = MAX_BOUNDARIES;
        let mut index = 0u64;
        let mut seq = Self::empty();
        for pair in 0..count {
            let delta = reader.shortest_varint()?;
            if delta == 0 && pair > 0 {
                return Err(SeqError::ZeroDelta);
            }
            index = index.checked_add(delta).ok_or(SeqError::Overflow)?;
            if !seq.push(index, take_ranges(reader, &mut budget)?) {
                return Err(SeqError::Repeated);
            }
        }
        Ok(seq)
    }

    /// Sets the ranges from `index` on, which must lie after all others; answers whether that
    /// changes anything.
    pub(super) fn push(&mut self, index: u64, ranges: ChunkRanges) -> bool {
        let changes = *self.runs.last().map_or(&*NOTHING, |(_, last)| last) != ranges;
        if changes {
            self.runs.push((index, ranges));
        }
        changes
    }

    /// The run that holds `index`; `None` before the first.
    fn run_of(&self, index: u64) -> Option<usize> {
        self.runs.partition_point(|(start, _)| *start <= index).checked_sub(1)
    }
}

/// Any sequence, for the properties of this room.
#[cfg(test)]
pub(super) fn any_seq() -> impl proptest::strategy::Strategy<Value = ChunkRangesSeq> {
    use proptest::prelude::*;
    let index = prop_oneof![0..20u64, any::<u64>(), Just(u64::MAX)];
    let runs = proptest::collection::btree_map(index, super::ranges::any_ranges(), 0..9);
    runs.prop_map(|runs| {
        let mut seq = ChunkRangesSeq::empty();
        runs.into_iter().for_each(|(index, ranges)| {
            seq.push(index, ranges);
        });
        seq
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::proto::chunks_of_bytes;

    fn some() -> ChunkRanges {
        chunks_of_bytes(0..1)
    }

    #[test]
    fn only_a_sequence_of_index_0_alone_is_a_blob() {
        for seq in [ChunkRangesSeq::blob(), ChunkRangesSeq::verified_size()] {
            assert!(seq.is_blob());
        }
        let none = ChunkRanges::empty();
        let others = [
            ChunkRangesSeq::empty(),
            ChunkRangesSeq::all(),
            ChunkRangesSeq::root(none),
            ChunkRangesSeq::child(0, some()),
            ChunkRangesSeq::from_ranges([some(), some()]),
            ChunkRangesSeq::verified_child_sizes(),
        ];
        for seq in others {
            assert!(!seq.is_blob(), "{seq:?}");
        }
    }

    #[test]
    fn the_index_after_which_nothing_comes_is_known() {
        assert_eq!(ChunkRangesSeq::empty().end(), Some(0));
        assert_eq!(ChunkRangesSeq::blob().end(), Some(1));
        assert_eq!(ChunkRangesSeq::from_ranges([some(), some()]).end(), Some(2));
        assert_eq!(ChunkRangesSeq::child(6, some()).end(), Some(8));
        assert_eq!(ChunkRangesSeq::all().end(), None);
        assert!(ChunkRangesSeq::all().is_all() && !ChunkRangesSeq::blob().is_all());
        assert_eq!(ChunkRangesSeq::child(u64::MAX, some()), ChunkRangesSeq::empty());
    }

    #[test]
    fn p3_what_no_encoder_writes_is_refused() {
        let most = [&[0xff; 9][..], &[1]].concat();
        let cases = [
            (vec![], SeqError::Wire(WireError::CutShort)),
            (vec![1, 0, 0], SeqError::Repeated),
            (vec![2, 0, 1, 0, 1, 1, 0], SeqError::Repeated),
            (vec![2, 0, 1, 0, 0, 0], SeqError::ZeroDelta),
            ([&[2][..], &most, &[1, 0, 1, 0]].concat(), SeqError::Overflow),
            (vec![1, 0, 2, 1, 0], SeqError::Ranges(RangesError::ZeroWidth)),
            (vec![1, 0x80, 0, 1, 0], SeqError::Wire(WireError::Number)),
            (vec![0x81, 0, 0, 1, 0], SeqError::Wire(WireError::Number)),
            (vec![3, 0, 1, 0, 1], SeqError::Wire(WireError::Count)),
            ([&most[..], &[0, 1, 0]].concat(), SeqError::Wire(WireError::Count)),
            (vec![1, 0, 9, 0], SeqError::Ranges(RangesError::Wire(WireError::Count))),
        ];
        for (bytes, error) in cases {
            assert_eq!(ChunkRangesSeq::decode(&bytes), Err(error), "{bytes:02x?}");
        }
    }

    #[test]
    fn p4_a_far_index_costs_no_more_than_a_near_one() {
        // The first pair at 2^60, then for ever; 2^29 alone costs the reference seconds.
        let mut bytes = vec![1];
        put_varint(&mut bytes, 1 << 60);
        bytes.extend([1, 0]);
        let begin = Instant::now();
        let (seq, rest) = ChunkRangesSeq::decode(&bytes).unwrap();
        assert_eq!((seq.next_selected(0), rest.len()), (Some(1 << 60), 0));
        assert!(seq.at((1 << 60) - 1).is_empty() && seq.at(u64::MAX).is_all());
        assert_eq!(seq.next_selected(u64::MAX), Some(u64::MAX));
        // Compared with the number of children at once: none of a list of 1,000 is asked for.
        assert_eq!(seq.selected(1001).next(), None);
        let near = ChunkRangesSeq::builder().at(2, some()).at(1 << 62, some()).build();
        assert_eq!(
            near.selected(u64::MAX).map(|(index, _)| index).collect::<Vec<_>>(),
            [2, 1 << 62]
        );
        // Whoever steps there is not there today.
        assert!(begin.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn p5_more_pairs_or_boundaries_than_the_limits_are_refused() {
        let pairs = |count: usize| {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, count as u64);
            for pair in 0..count {
                bytes.extend_from_slice(if pair % 2 == 0 { &[1, 1, 0] } else { &[1, 0] });
            }
            bytes
        };
        assert_eq!(ChunkRangesSeq::decode(&pairs(MAX_ENTRIES)).unwrap().0.weight().0, MAX_ENTRIES);
        assert_eq!(ChunkRangesSeq::decode(&pairs(MAX_ENTRIES + 1)), Err(SeqError::TooMany));

        let mut bytes = vec![2, 0];
        for width in [1, 2] {
            put_varint(&mut bytes, MAX_BOUNDARIES as u64 / 2 + 1);
            bytes.resize(bytes.len() + MAX_BOUNDARIES / 2 + 1, width);
            bytes.push(1);
        }
        assert_eq!(
            ChunkRangesSeq::decode(&bytes),
            Err(SeqError::Ranges(RangesError::TooMany)),
            "the limit is of all pairs together"
        );
    }

    proptest! {
        #[test]
        fn a_sequence_comes_back_and_what_follows_stays(seq in any_seq(), tail: Vec<u8>) {
            let bytes = [seq.encode(), tail.clone()].concat();
            prop_assert_eq!(ChunkRangesSeq::decode(&bytes), Ok((seq, &tail[..])));
        }

        #[test]
        fn p3_any_bytes_are_refused_or_are_the_one_form(bytes in proptest::collection::vec(
            prop_oneof![6 => 0..4u8, 1 => any::<u8>()], 0..24,
        )) {
            if let Ok((seq, rest)) = ChunkRangesSeq::decode(&bytes) {
                prop_assert_eq!([&seq.encode()[..], rest].concat(), bytes);
            }
        }

        #[test]
        fn p4_jumping_finds_what_stepping_finds(seq in any_seq(), end in 0..40u64) {
            let stepped: Vec<_> = (0..end).filter(|index| !seq.at(*index).is_empty()).collect();
            let jumped: Vec<_> = seq.selected(end).map(|(index, _)| index).collect();
            prop_assert_eq!(jumped, stepped);
        }
    }
}
