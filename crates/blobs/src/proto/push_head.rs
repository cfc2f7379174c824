//! The start of a push, which ends by its length and not by FIN: the data follows it.

use super::{
    frame::{Frame, split_frame},
    request::{GetRequest, PushRequest, RequestDecodeError},
    wire::Reader,
};

/// What the bytes read so far hold of a push, after its type byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushHead {
    /// At least this many bytes are missing.
    Needs(usize),
    /// The request is there.
    Whole {
        /// What will be pushed.
        request: PushRequest,
        /// Bytes that it took; what follows them is data.
        length: usize,
    },
}

impl PushHead {
    /// Reads a length and, once it is there, the request of that length. Bytes within the length and
    /// after the request are ignored.
    ///
    /// Fails as soon as the length is over [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES).
    pub fn decode(bytes: &[u8]) -> Result<Self, RequestDecodeError> {
        Ok(match split_frame(bytes)? {
            Frame::Needs(more) => Self::Needs(more),
            Frame::Whole { body, rest } => Self::Whole {
                request: PushRequest(GetRequest::take(&mut Reader::new(body))?),
                length: bytes.len() - rest.len(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use gaiwan_base::Hash;

    use super::*;
    use crate::proto::Request;

    const HASH: Hash = Hash::from_bytes([0xda; 32]);

    #[test]
    fn a_push_says_what_it_needs_and_where_its_data_begins() {
        let request = PushRequest(GetRequest::blob(HASH));
        let bytes = [Request::Push(request.clone()).encode().unwrap(), vec![0xee; 9]].concat();
        let head = &bytes[1..];
        assert_eq!(PushHead::decode(&[]), Ok(PushHead::Needs(1)));
        for have in 1..39 {
            assert_eq!(PushHead::decode(&head[..have]), Ok(PushHead::Needs(39 - have)), "{have}");
        }
        assert_eq!(PushHead::decode(head), Ok(PushHead::Whole { request, length: 39 }));
    }

    #[test]
    fn bytes_within_the_length_of_a_push_are_not_its_data() {
        let request = PushRequest(GetRequest::all(HASH));
        let mut head = Request::Push(request.clone()).encode().unwrap().split_off(1);
        head[0] += 2;
        assert_eq!(PushHead::decode(&head), Ok(PushHead::Needs(2)));
        head.extend([0xee; 5]);
        assert_eq!(PushHead::decode(&head), Ok(PushHead::Whole { request, length: 39 }));
    }

    #[test]
    fn p2_a_length_over_1_mib_is_refused_before_the_request_comes() {
        let head = PushHead::decode(&[0x81, 0x80, 0x40]);
        assert_eq!(head, Err(RequestDecodeError::TooLong));
    }
}
