//! The numbers and lists of postcard 1.1, as far as the protocol uses them.
//!
//! A number is a LEB128 varint: 7 bits a byte, lowest first, the high bit says that more follow.

/// Why bytes are no postcard value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The value needs more bytes than there are.
    #[error("the bytes end within a value")]
    CutShort,
    /// A varint with more bytes than its type can need, over the range of its type, or not in its shortest form where
    /// that is asked for.
    #[error("a number is malformed")]
    Number,
    /// A list or text says that it is longer than the bytes that are left could hold.
    #[error("a count is larger than what follows")]
    Count,
}

/// Takes values off the front of bytes.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been taken yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Takes `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError::CutShort)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(WireError::CutShort)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, WireError> {
        self.array().map(|[byte]| byte)
    }

    /// Takes a 64-bit number as postcard does: up to 10 bytes, leading zeros or not.
    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        self.number(64).map(|(value, _)| value)
    }

    /// Takes a 16-bit number, up to 3 bytes.
    pub(super) fn varint_u16(&mut self) -> Result<u16, WireError> {
        self.number(16).map(|(value, _)| value as u16)
    }

    /// Takes the number of an enum's variant, 32 bits in up to 5 bytes.
    pub(super) fn variant(&mut self) -> Result<u32, WireError> {
        self.number(32).map(|(value, _)| value as u32)
    }

    /// Takes a number that is written as every encoder writes it, without leading zeros.
    pub(super) fn shortest_varint(&mut self) -> Result<u64, WireError> {
        match self.number(64)? {
            (_, [_, .., 0]) => Err(WireError::Number),
            (value, _) => Ok(value),
        }
    }

    /// The number below 2^`bits`, and the bytes that it was.
    fn number(&mut self, bits: usize) -> Result<(u64, &'a [u8]), WireError> {
        let most = bits.div_ceil(7);
        let Some(last) = self.0.iter().take(most).position(|byte| byte & 0x80 == 0) else {
            let whole = self.0.len() >= most;
            return Err(if whole { WireError::Number } else { WireError::CutShort });
        };
        let bytes = self.take(last + 1)?;
        // The last byte there can be holds the bits that the others leave.
        if last + 1 == most && bytes[last] >> (bits - 7 * last) != 0 {
            return Err(WireError::Number);
        }
        let value = bytes.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
        Ok((value, bytes))
    }

    /// Takes the number of items of a list whose items have at least `item_bytes` bytes each, and
    /// refuses one that cannot be true.
    pub(super) fn count(&mut self, item_bytes: usize) -> Result<usize, WireError> {
        let count = self.varint()?;
        self.plausible(count, item_bytes)
    }

    /// As [`Reader::count`], of a number in its shortest form.
    pub(super) fn shortest_count(&mut self, item_bytes: usize) -> Result<usize, WireError> {
        let count = self.shortest_varint()?;
        self.plausible(count, item_bytes)
    }

    fn plausible(&self, count: u64, item_bytes: usize) -> Result<usize, WireError> {
        let count = usize::try_from(count).map_err(|_| WireError::Count)?;
        if count > self.0.len() / item_bytes { Err(WireError::Count) } else { Ok(count) }
    }
}

/// Appends a number in its shortest form.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p3_a_varint_over_10_bytes_or_over_64_bits_is_refused() {
        let ones = [0xff; 9];
        let of = |last: &[u8]| Reader::new(&[&ones[..], last].concat()).varint();
        assert_eq!(of(&[1]), Ok(u64::MAX));
        assert_eq!(of(&[2]), Err(WireError::Number));
        assert_eq!(of(&[0x81, 0]), Err(WireError::Number));
        assert_eq!(of(&[]), Err(WireError::CutShort));
        assert_eq!(Reader::new(&[]).varint(), Err(WireError::CutShort));
    }

    #[test]
    fn p3_leading_zeros_are_refused_only_where_the_shortest_form_is_asked_for() {
        for (bytes, value) in [(&[0x80, 0][..], 0), (&[0x85, 0x80, 0], 5)] {
            assert_eq!(Reader::new(bytes).varint(), Ok(value));
            assert_eq!(Reader::new(bytes).shortest_varint(), Err(WireError::Number));
        }
        assert_eq!(Reader::new(&[0]).shortest_varint(), Ok(0));
    }

    #[test]
    fn p3_a_count_over_the_bytes_that_are_left_is_refused() {
        assert_eq!(Reader::new(&[2, 0, 0]).count(1), Ok(2));
        assert_eq!(Reader::new(&[3, 0, 0]).count(1), Err(WireError::Count));
        assert_eq!(Reader::new(&[2, 0, 0]).count(2), Err(WireError::Count));
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(Reader::new(&huge).shortest_count(1), Err(WireError::Count));
    }

    proptest! {
        #[test]
        fn a_varint_is_written_as_postcard_writes_it_and_read_back(value: u64, tail: Vec<u8>) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(&bytes, &postcard::to_allocvec(&value).unwrap());
            bytes.extend_from_slice(&tail);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.shortest_varint(), Ok(value));
            prop_assert_eq!(reader.rest(), &tail[..]);
        }

        #[test]
        fn a_varint_is_read_as_postcard_reads_it(bytes in proptest::collection::vec(
            prop_oneof![0x7eu8..=0x82, Just(0xff), any::<u8>()], 0..13,
        )) {
            let real = postcard::take_from_bytes::<u64>(&bytes).ok();
            let mut reader = Reader::new(&bytes);
            let ours = reader.varint().ok().map(|value| (value, reader.rest()));
            prop_assert_eq!(ours, real);
            let real = postcard::take_from_bytes::<u16>(&bytes).ok();
            let mut reader = Reader::new(&bytes);
            let ours = reader.varint_u16().ok().map(|value| (value, reader.rest()));
            prop_assert_eq!(ours, real);
            let real = postcard::take_from_bytes::<u32>(&bytes).ok();
            let mut reader = Reader::new(&bytes);
            let ours = reader.variant().ok().map(|value| (value, reader.rest()));
            prop_assert_eq!(ours, real);
        }
    }
}
