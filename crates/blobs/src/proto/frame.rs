//! A body behind its length, the framing of push requests and observe items.

use super::{
    request::MAX_MESSAGE_BYTES,
    wire::{Reader, WireError},
};

/// Most bytes of a length prefix.
const PREFIX_BYTES: usize = 10;

/// What the bytes read so far hold of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// At least this many bytes are missing; more may be once the length is known.
    Needs(usize),
    /// All of it.
    Whole {
        /// What the length counts.
        body: &'a [u8],
        /// What follows.
        rest: &'a [u8],
    },
}

/// Why bytes are no frame. There is no point in reading on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length is no number.
    #[error("the length of a frame is malformed")]
    Length,
    /// The body would be over [`MAX_MESSAGE_BYTES`].
    #[error("a frame of {0} bytes, the limit is {MAX_MESSAGE_BYTES}")]
    TooLong(u64),
}

/// Splits the frame off that `bytes` start with: a varint length, then so many bytes
/// (iroh-blobs 0.104.0, `src/util/stream.rs`, `read_length_prefixed`).
///
/// Call it again with more bytes after [`Frame::Needs`]. Fails as soon as the length is known to be
/// bad, so nobody has to hold more than [`MAX_MESSAGE_BYTES`] and the length itself.
pub fn split_frame(bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    let mut reader = Reader::new(bytes);
    let length = match reader.varint() {
        Ok(length) => length,
        Err(WireError::CutShort) if bytes.len() < PREFIX_BYTES => return Ok(Frame::Needs(1)),
        Err(_) => return Err(FrameError::Length),
    };
    if length > MAX_MESSAGE_BYTES as u64 {
        return Err(FrameError::TooLong(length));
    }
    let rest = reader.rest();
    match rest.split_at_checked(length as usize) {
        Some((body, rest)) => Ok(Frame::Whole { body, rest }),
        None => Ok(Frame::Needs(length as usize - rest.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_comes_byte_by_byte_says_each_time_what_it_needs() {
        let bytes = [&[0x82, 1][..], &[7; 130], &[9]].concat();
        assert_eq!(split_frame(&[]), Ok(Frame::Needs(1)));
        assert_eq!(split_frame(&bytes[..1]), Ok(Frame::Needs(1)));
        for have in 2..132 {
            assert_eq!(split_frame(&bytes[..have]), Ok(Frame::Needs(132 - have)), "{have}");
        }
        assert_eq!(split_frame(&bytes), Ok(Frame::Whole { body: &[7; 130], rest: &[9] }));
        assert_eq!(split_frame(&[0]), Ok(Frame::Whole { body: &[], rest: &[] }));
    }

    #[test]
    fn g7_a_length_over_1_mib_is_refused_before_its_body_comes() {
        assert_eq!(split_frame(&[0x80, 0x80, 0x40]), Ok(Frame::Needs(1 << 20)));
        assert_eq!(split_frame(&[0x81, 0x80, 0x40]), Err(FrameError::TooLong((1 << 20) + 1)));
        let most = [&[0xff; 9][..], &[1]].concat();
        assert_eq!(split_frame(&most), Err(FrameError::TooLong(u64::MAX)));
    }

    #[test]
    fn p3_a_length_of_more_than_10_bytes_is_refused() {
        assert_eq!(split_frame(&[0x80; 9]), Ok(Frame::Needs(1)));
        assert_eq!(split_frame(&[0x80; 10]), Err(FrameError::Length));
        assert_eq!(split_frame(&[&[0xff; 9][..], &[2]].concat()), Err(FrameError::Length));
    }
}
