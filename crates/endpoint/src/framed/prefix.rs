//! The length in front of a frame: LEB128, low group first, at most ten bytes.

/// Bytes that a prefix can take, padding included.
pub const MAX_PREFIX: usize = 10;

/// What the first bytes of a frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// More bytes are needed to tell.
    Partial,
    /// A frame whose payload begins at `head` and has `length` bytes.
    Frame {
        /// Bytes of the prefix.
        head: usize,
        /// Bytes of the payload.
        length: usize,
    },
    /// A frame above the limit.
    TooLong,
    /// No number: more than ten bytes, or more than 64 bits. The reference takes the excess bits away and goes on.
    Malformed,
}

/// Reads a prefix; payloads may have `max` bytes, both ends included.
pub fn parse(bytes: &[u8], max: usize) -> Prefix {
    let mut value = 0_u64;
    for (n, byte) in bytes.iter().take(MAX_PREFIX).enumerate() {
        // Of the tenth byte one bit is left; this refuses the sign that more would follow, too.
        if n + 1 == MAX_PREFIX && *byte > 1 {
            return Prefix::Malformed;
        }
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return match usize::try_from(value) {
                Ok(length) if length <= max => Prefix::Frame { head: n + 1, length },
                _ => Prefix::TooLong,
            };
        }
    }
    Prefix::Partial
}

/// The one byte that ends a half with a code where a frame would start, before FIN (`docs/wire/rpc.md`, "The abort mark").
pub const fn mark(code: u8) -> u8 {
    0x80 | code
}

/// The code of an abort mark, if these last bytes of a half are one.
pub fn mark_of(rest: &[u8]) -> Option<u8> {
    match rest {
        [byte] if byte & 0x80 != 0 => Some(byte & 0x7f),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 16 * 1024 * 1024;

    #[test]
    fn a_prefix_is_read_with_and_without_padding() {
        for (bytes, head, length) in [
            (&[0x00][..], 1, 0),
            (&[0x07, 0xff], 1, 7),
            (&[0xb0, 0x02], 2, 304),
            (&[0x87, 0x80, 0x00], 3, 7),
            (&[0x87, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 10, 7),
            (&[0x80, 0x80, 0x80, 0x08], 4, MAX),
        ] {
            assert_eq!(parse(bytes, MAX), Prefix::Frame { head, length }, "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_not_whole_is_partial_and_what_is_no_length_is_refused() {
        assert_eq!(parse(&[], MAX), Prefix::Partial);
        assert_eq!(parse(&[0x80; 9], MAX), Prefix::Partial);
        assert_eq!(parse(&[0x80; 10], MAX), Prefix::Malformed);
        let mut wraps = [0x80; 10];
        wraps[9] = 0x02;
        assert_eq!(parse(&wraps, MAX), Prefix::Malformed);
        assert_eq!(parse(&[0x81, 0x80, 0x80, 0x08], MAX), Prefix::TooLong);
        wraps[9] = 0x01;
        assert_eq!(parse(&wraps, MAX), Prefix::TooLong);
    }

    #[test]
    fn only_a_single_byte_with_its_top_bit_is_a_mark() {
        assert_eq!(mark_of(&[mark(16)]), Some(16));
        assert_eq!(mark_of(&[0x90, 0x90]), None);
        assert_eq!(mark_of(&[0x10]), None);
        assert_eq!(mark_of(&[]), None);
    }
}
