//! Postcard's pieces: varints, lengths, options (its wire format, version 1).

use bytes::BufMut;

/// Bytes that are not what they should be: too short, or a number or tag out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no gossip message")]
pub struct Malformed;

/// Reads pieces off the front of some bytes.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (front, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(front)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// 00 or 01, for booleans and options.
    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// LEB128 of at most `bits` bits. As postcard has it, needless zero groups are taken while they fit.
    fn varint(&mut self, bits: u32) -> Result<u64, Malformed> {
        let groups = bits.div_ceil(7);
        let mut value = 0u64;
        for group in 0..groups {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if group == groups - 1 && part >> (bits - 7 * group) != 0 {
                return Err(Malformed);
            }
            value |= part << (7 * group);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        u16::try_from(self.varint(16)?).map_err(|_| Malformed)
    }

    /// The tag of an enum.
    pub(crate) fn tag(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.varint(32)?).map_err(|_| Malformed)
    }

    /// A length; never more than `usize`, and nothing is allocated by it.
    pub(crate) fn length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.varint(64)?).map_err(|_| Malformed)
    }

    /// A length and so many bytes.
    pub(crate) fn block(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        self.bytes(length)
    }
}

/// Writes a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.put_u8(n as u8 | 0x80);
        n >>= 7;
    }
    out.put_u8(n as u8);
}

/// Writes a length and the bytes.
pub(crate) fn put_block(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len());
    out.put_slice(bytes);
}

/// Bytes of `n` as a varint.
pub(crate) const fn varint_len(n: usize) -> usize {
    let bits = usize::BITS - n.leading_zeros();
    if bits == 0 { 1 } else { bits.div_ceil(7) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_comes_back_and_has_the_length_told() {
        for n in [0, 1, 127, 128, 16_383, 16_384, 65_535, u32::MAX as usize, usize::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, n);
            assert_eq!(out.len(), varint_len(n), "{n}");
            assert_eq!(Reader::new(&out).length(), Ok(n));
            assert_eq!(Reader::new(&out).u16().ok(), u16::try_from(n).ok());
        }
    }

    #[test]
    fn a_number_that_does_not_end_or_does_not_fit_is_refused() {
        for bytes in [&[0x80u8][..], &[0xff, 0xff, 0x04], &[0x80, 0x80, 0x80, 0x00]] {
            assert_eq!(Reader::new(bytes).u16(), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(Reader::new(&[0xff, 0xff, 0x03]).u16(), Ok(65_535));
        assert_eq!(Reader::new(&[2]).flag(), Err(Malformed));
        assert_eq!(Reader::new(&[5, 1, 2]).block(), Err(Malformed));
    }
}
