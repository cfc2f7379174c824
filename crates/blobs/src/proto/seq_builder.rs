//! Puts a sequence of chunk ranges together.

use std::collections::BTreeMap;

use super::{ranges::ChunkRanges, ranges_seq::ChunkRangesSeq};

/// Puts a sequence together from single indexes, in any order and however far apart.
#[derive(Debug, Clone, Default)]
pub struct SeqBuilder {
    single: BTreeMap<u64, ChunkRanges>,
    tail: Option<(u64, ChunkRanges)>,
}

impl SeqBuilder {
    /// Adds chunks to one index.
    #[must_use]
    pub fn at(mut self, index: u64, ranges: ChunkRanges) -> Self {
        *self.single.entry(index).or_insert_with(ChunkRanges::empty) |= ranges;
        self
    }

    /// Sets the chunks of every index from `index` on, whatever [`SeqBuilder::at`] says of them. The
    /// last call holds.
    #[must_use]
    pub fn from(mut self, index: u64, ranges: ChunkRanges) -> Self {
        self.tail = Some((index, ranges));
        self
    }

    /// The sequence.
    pub fn build(self) -> ChunkRangesSeq {
        let mut seq = ChunkRangesSeq::empty();
        let tail = self.tail.as_ref().map(|(index, _)| *index);
        let mut next = Some(0);
        for (index, ranges) in self.single {
            if tail.is_some_and(|tail| index >= tail) {
                break;
            }
            if let Some(gap) = next.filter(|next| *next < index) {
                seq.push(gap, ChunkRanges::empty());
            }
            seq.push(index, ranges);
            next = index.checked_add(1);
        }
        match (self.tail, next) {
            (Some((index, ranges)), next) => {
                if let Some(gap) = next.filter(|next| *next < index) {
                    seq.push(gap, ChunkRanges::empty());
                }
                seq.push(index, ranges);
            }
            (None, Some(end)) => {
                seq.push(end, ChunkRanges::empty());
            }
            // Index u64::MAX is the last there is, so nothing has to end it.
            (None, None) => {}
        }
        seq
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proto::{chunks_of_bytes, ranges::any_ranges};

    fn some() -> ChunkRanges {
        chunks_of_bytes(0..1)
    }

    #[test]
    fn a_builder_fills_gaps_and_joins_what_is_equal() {
        let (none, all) = (ChunkRanges::empty(), ChunkRanges::all());
        let seq = ChunkRangesSeq::builder()
            .at(3, some())
            .at(0, all.clone())
            .at(1, all.clone())
            .at(5, none.clone())
            .build();
        let expected = [all.clone(), all.clone(), none.clone(), some(), none.clone(), none.clone()];
        assert_eq!(seq, ChunkRangesSeq::from_ranges(expected));
        assert_eq!(seq.weight(), (4, 3));

        let open =
            ChunkRangesSeq::builder().from(2, all.clone()).at(1, some()).at(4, some()).build();
        assert_eq!(open, ChunkRangesSeq::from_ranges_infinite([none.clone(), some(), all.clone()]));
        let late = ChunkRangesSeq::builder().at(0, some()).from(9, all).build();
        assert_eq!(late.next_selected(1), Some(9));
        let last = ChunkRangesSeq::builder().at(u64::MAX, some()).build();
        assert_eq!(last.selected(u64::MAX).count(), 0);
        assert_eq!((last.next_selected(0), last.end()), (Some(u64::MAX), None));
    }

    proptest! {
        #[test]
        fn a_builder_gives_what_a_list_gives(
            list in proptest::collection::vec(any_ranges(), 0..6),
        ) {
            let built = (0..).zip(&list).fold(SeqBuilder::default(), |builder, (index, ranges)| {
                builder.at(index, ranges.clone())
            });
            prop_assert_eq!(built.build(), ChunkRangesSeq::from_ranges(list));
        }
    }
}
