//! What somebody has of a blob, and the items in which a provider tells it.
//!
//! Rules of iroh-blobs 0.104.0, `src/api/proto/bitfield.rs`; an item on the wire is `ObserveItem` of
//! `src/protocol.rs`: size varint, count, then that many boundaries as chunk numbers.

use std::num::NonZeroU64;

use bao_tree::ChunkNum;

use super::{
    frame::{Frame, FrameError, split_frame},
    ranges::ChunkRanges,
    request::MAX_MESSAGE_BYTES,
    wire::{Reader, WireError, put_varint},
};

/// Why bytes are no observe item, or a bitfield cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// The length is malformed or over [`MAX_MESSAGE_BYTES`].
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Cut short, or a malformed number.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Boundaries that do not rise.
    #[error("the boundaries are not sorted, or one comes twice")]
    Unsorted,
}

/// A size and the chunks that are there.
///
/// A size is only a claim until the last chunk is among them. What a peer says of itself is a claim
/// in every case, and never a reason to allocate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bitfield {
    size: u64,
    ranges: ChunkRanges,
}

impl Bitfield {
    /// In canonical form: complete becomes all chunks there could be; validated gets all chunks past
    /// the end. With size 0 only "all chunks" is complete.
    pub fn new(size: u64, ranges: ChunkRanges) -> Self {
        let mut field = Self { size, ranges };
        if field.is_complete() {
            field.ranges = ChunkRanges::all();
        } else if let (true, Some(last)) = (field.is_validated(), last_chunk_of(size)) {
            field.ranges |= ChunkRanges::from(last..);
        }
        field
    }

    /// Nothing known; changes nothing when it is combined.
    pub fn empty() -> Self {
        Self::default()
    }

    /// All of a blob.
    pub fn complete(size: u64) -> Self {
        Self { size, ranges: ChunkRanges::all() }
    }

    /// Bytes of the blob, a claim unless [`Bitfield::is_validated`].
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The chunks that are there.
    pub fn ranges(&self) -> &ChunkRanges {
        &self.ranges
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.size == 0 && self.ranges.is_empty()
    }

    /// Whether the last chunk is there, so that its proof has shown the size.
    pub fn is_validated(&self) -> bool {
        match last_chunk_of(self.size) {
            Some(last) => self.ranges.contains(&last),
            None => self.ranges.is_all(),
        }
    }

    /// Whether all chunks are there.
    pub fn is_complete(&self) -> bool {
        match NonZeroU64::new(self.size) {
            Some(size) => ChunkRanges::from(..ChunkNum::chunks(size.get())).is_subset(&self.ranges),
            None => self.ranges.is_all(),
        }
    }

    /// The size once it is shown.
    pub fn validated_size(&self) -> Option<u64> {
        self.is_validated().then_some(self.size)
    }

    /// How many bytes are there, if the size is true.
    pub fn total_bytes(&self) -> u64 {
        let ends = |pair: &[ChunkNum]| match pair {
            [start, end] => (start.to_bytes(), end.to_bytes().min(self.size)),
            [start] => (start.to_bytes(), self.size),
            _ => (0, 0),
        };
        let bytes = |pair| {
            let (start, end) = ends(pair);
            end.saturating_sub(start)
        };
        self.ranges.boundaries().chunks(2).map(bytes).sum()
    }

    /// Adds what another one has; answers whether that changes anything. The size comes from the side
    /// that reaches further, the larger one if they reach equally far.
    pub fn update(&mut self, other: &Self) -> bool {
        let combined = Self::new(self.chosen_size(other), &self.ranges | &other.ranges);
        let changes = *self != combined;
        *self = combined;
        changes
    }

    /// What has to be combined with `self` to get `later`, when nothing was lost on the way: the
    /// chunks that only one of them has. Not in canonical form.
    pub fn diff(&self, later: &Self) -> Self {
        Self { size: self.chosen_size(later), ranges: &self.ranges ^ &later.ranges }
    }

    fn chosen_size(&self, other: &Self) -> u64 {
        match reach(&self.ranges).cmp(&reach(&other.ranges)) {
            std::cmp::Ordering::Less => other.size,
            std::cmp::Ordering::Equal => self.size.max(other.size),
            std::cmp::Ordering::Greater => self.size,
        }
    }

    /// Writes it as an item with its length, as it is.
    ///
    /// Fails with [`FrameError::TooLong`] when it is too scattered for one item.
    pub fn encode_frame(&self) -> Result<Vec<u8>, ObserveError> {
        let mut body = Vec::new();
        put_varint(&mut body, self.size);
        let boundaries = self.ranges.boundaries();
        put_varint(&mut body, boundaries.len() as u64);
        boundaries.iter().for_each(|boundary| put_varint(&mut body, boundary.0));
        if body.len() > MAX_MESSAGE_BYTES {
            return Err(FrameError::TooLong(body.len() as u64).into());
        }
        let mut frame = Vec::with_capacity(body.len() + 3);
        put_varint(&mut frame, body.len() as u64);
        frame.extend_from_slice(&body);
        Ok(frame)
    }
}

/// What the bytes read so far hold of an observe item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObserveFrame {
    /// At least this many bytes are missing.
    Needs(usize),
    /// The item is there.
    Whole {
        /// As it was sent: [`Bitfield::update`] makes it canonical.
        item: Bitfield,
        /// Bytes that it took; the next item follows them.
        length: usize,
    },
}

impl ObserveFrame {
    /// Reads the item that `bytes` start with.
    pub fn decode(bytes: &[u8]) -> Result<Self, ObserveError> {
        let (body, rest) = match split_frame(bytes)? {
            Frame::Needs(more) => return Ok(Self::Needs(more)),
            Frame::Whole { body, rest } => (body, rest),
        };
        let reader = &mut Reader::new(body);
        let size = reader.varint()?;
        let count = reader.count(1)?;
        let mut before = None;
        let boundaries = (0..count).map(|_| {
            let boundary = reader.varint()?;
            // Looked at on the way, so that the first bad one is the last that takes memory.
            match before.replace(boundary) {
                Some(before) if before >= boundary => Err(ObserveError::Unsorted),
                _ => Ok(ChunkNum(boundary)),
            }
        });
        let ranges = ChunkRanges::new(boundaries.collect::<Result<_, _>>()?);
        let item = Bitfield { size, ranges: ranges.ok_or(ObserveError::Unsorted)? };
        Ok(Self::Whole { item, length: bytes.len() - rest.len() })
    }
}

/// The last chunk of a blob; an empty one has none.
fn last_chunk_of(size: u64) -> Option<ChunkNum> {
    size.checked_sub(1).map(ChunkNum::full_chunks)
}

/// Where ranges end; those that never do are after all others.
fn reach(ranges: &ChunkRanges) -> (bool, u64) {
    let boundaries = ranges.boundaries();
    let open = boundaries.len() % 2 == 1;
    (open, boundaries.last().filter(|_| !open).map_or(0, |end| end.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proto::ranges::any_ranges;

    fn chunks(range: std::ops::Range<u64>) -> ChunkRanges {
        ChunkRanges::from(ChunkNum(range.start)..ChunkNum(range.end))
    }

    fn from(start: u64) -> ChunkRanges {
        ChunkRanges::from(ChunkNum(start)..)
    }

    /// A body as an item.
    fn framed(body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        put_varint(&mut frame, body.len() as u64);
        frame.extend_from_slice(body);
        frame
    }

    /// The item that is all of `bytes`.
    fn whole(bytes: &[u8]) -> Bitfield {
        match ObserveFrame::decode(bytes) {
            Ok(ObserveFrame::Whole { item, length }) if length == bytes.len() => item,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_canonical_form_is_all_or_open_ended_or_as_it_is() {
        assert_eq!(Bitfield::new(2049, chunks(0..3)), Bitfield::complete(2049));
        assert_eq!(Bitfield::new(2049, chunks(0..2)).ranges(), &chunks(0..2));
        assert_eq!(Bitfield::new(2049, chunks(2..3)).ranges(), &from(2));
        assert_eq!(Bitfield::new(2049, chunks(2..9)).ranges(), &from(2));
        assert_eq!(Bitfield::new(2049, chunks(5..9)).ranges(), &chunks(5..9));
        assert_eq!(Bitfield::new(0, chunks(0..5)).ranges(), &chunks(0..5));
        assert_eq!(Bitfield::new(u64::MAX, chunks(0..1 << 54)), Bitfield::complete(u64::MAX));
    }

    #[test]
    fn a_size_is_shown_by_the_last_chunk_and_of_an_empty_blob_by_all() {
        assert_eq!(Bitfield::new(2048, chunks(1..2)).validated_size(), Some(2048));
        assert_eq!(Bitfield::new(2048, chunks(0..1)).validated_size(), None);
        assert_eq!(Bitfield::complete(0).validated_size(), Some(0));
        assert_eq!(Bitfield::new(0, from(1)).validated_size(), None);
        assert!(Bitfield::complete(0).is_complete() && !Bitfield::empty().is_complete());
    }

    #[test]
    fn bytes_are_counted_up_to_the_size() {
        assert_eq!(Bitfield::complete(2049).total_bytes(), 2049);
        assert_eq!(Bitfield::new(2049, chunks(2..3)).total_bytes(), 1);
        assert_eq!(Bitfield::new(5000, &chunks(0..1) | &chunks(2..3)).total_bytes(), 2048);
        assert_eq!(Bitfield::new(10, chunks(5..9)).total_bytes(), 0);
        assert_eq!(Bitfield::complete(u64::MAX).total_bytes(), u64::MAX);
    }

    #[test]
    fn g7_the_size_comes_from_whoever_reaches_further() {
        let combined = |a: (u64, ChunkRanges), b: (u64, ChunkRanges)| {
            let mut field = Bitfield::new(a.0, a.1);
            field.update(&Bitfield::new(b.0, b.1));
            field.size()
        };
        assert_eq!(combined((9000, chunks(0..2)), (7000, chunks(0..3))), 7000);
        assert_eq!(combined((7000, chunks(0..3)), (9000, chunks(0..2))), 7000);
        assert_eq!(combined((7000, chunks(0..3)), (9000, chunks(1..3))), 9000);
        assert_eq!(combined((9000, chunks(8..9)), (1 << 30, chunks(0..50))), 9000);
        assert_eq!(combined((9000, from(8)), (u64::MAX, from(7))), u64::MAX);
    }

    #[test]
    fn an_observer_that_combines_the_differences_ends_where_the_provider_is() {
        let states = [
            Bitfield::empty(),
            Bitfield::new(100_000, chunks(0..16)),
            Bitfield::new(100_000, &chunks(0..16) | &chunks(32..48)),
            Bitfield::new(100_000, &chunks(0..48) | &chunks(97..98)),
            Bitfield::complete(100_000),
        ];
        let mut observed = states[0].clone();
        for pair in states.windows(2) {
            let frame = pair[0].diff(&pair[1]).encode_frame().unwrap();
            let item = whole(&frame);
            assert!(observed.update(&item));
            assert!(!observed.update(&item));
            assert_eq!(observed, pair[1]);
        }
    }

    #[test]
    fn g7_unsorted_or_duplicate_boundaries_are_refused() {
        for boundaries in [&[2, 1][..], &[1, 1], &[0, 5, 5], &[0, 9, 8, 12]] {
            let body = [&[0, boundaries.len() as u8][..], boundaries].concat();
            assert_eq!(ObserveFrame::decode(&framed(&body)), Err(ObserveError::Unsorted));
        }
    }

    #[test]
    fn g7_a_body_that_is_cut_short_or_claims_too_much_is_refused() {
        let wire = |error| Err(ObserveError::Wire(error));
        assert_eq!(ObserveFrame::decode(&framed(&[])), wire(WireError::CutShort));
        assert_eq!(ObserveFrame::decode(&framed(&[5])), wire(WireError::CutShort));
        assert_eq!(ObserveFrame::decode(&framed(&[5, 2, 1])), wire(WireError::Count));
        assert_eq!(ObserveFrame::decode(&framed(&[5, 2, 1, 0x80])), wire(WireError::CutShort));
        let huge = [&[0][..], &[0xff; 9], &[1]].concat();
        assert_eq!(ObserveFrame::decode(&framed(&huge)), wire(WireError::Count));
        let number = [&[0, 11][..], &[0x80; 11]].concat();
        assert_eq!(ObserveFrame::decode(&framed(&number)), wire(WireError::Number));
    }

    #[test]
    fn g7_an_item_over_1_mib_is_neither_read_nor_written() {
        let too_long = |length| ObserveError::Frame(FrameError::TooLong(length));
        assert_eq!(ObserveFrame::decode(&[0x81, 0x80, 0x40]), Err(too_long((1 << 20) + 1)));
        let boundaries = (1 << 40..(1 << 40) + 200_000).map(ChunkNum).collect();
        let scattered = Bitfield::new(1, ChunkRanges::new(boundaries).unwrap());
        assert_eq!(scattered.encode_frame(), Err(too_long(1 + 3 + 6 * 200_000)));
    }

    #[test]
    fn an_item_that_is_not_all_there_says_what_is_missing() {
        let frame = Bitfield::complete(16385).encode_frame().unwrap();
        assert_eq!(ObserveFrame::decode(&[]), Ok(ObserveFrame::Needs(1)));
        assert_eq!(ObserveFrame::decode(&frame[..2]), Ok(ObserveFrame::Needs(4)));
        let first = ObserveFrame::Whole { item: Bitfield::complete(16385), length: 6 };
        assert_eq!(ObserveFrame::decode(&frame.repeat(2)), Ok(first));
    }

    proptest! {
        #[test]
        fn an_item_comes_back_as_it_was(size: u64, ranges in any_ranges(), tail: Vec<u8>) {
            for field in [Bitfield { size, ranges: ranges.clone() }, Bitfield::new(size, ranges)] {
                let frame = field.encode_frame().unwrap();
                let expected = ObserveFrame::Whole { item: field, length: frame.len() };
                prop_assert_eq!(ObserveFrame::decode(&[frame, tail.clone()].concat()), Ok(expected));
            }
        }

        #[test]
        fn g7_random_items_never_break_what_is_known(
            size: u64, known in any_ranges(), claimed: u64, ranges in any_ranges(),
        ) {
            let mut field = Bitfield::new(size, known.clone());
            let item = Bitfield { size: claimed, ranges: ranges.clone() };
            field.update(&item);
            prop_assert!(known.is_subset(field.ranges()) && ranges.is_subset(field.ranges()));
            prop_assert!(field.size() == size || field.size() == claimed);
            prop_assert!(field.total_bytes() <= field.size());
            let again = Bitfield::new(field.size(), field.ranges().clone());
            prop_assert_eq!(again, field);
        }
    }
}
