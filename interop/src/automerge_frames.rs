//! The frames of a repo session, ALPN `iroh/automerge-repo/1`, on an iroh stream.
//!
//! As `iroh-automerge-repo/src/codec.rs` of n0-computer/iroh-examples (at 5d51007): tokio-util's length-delimited codec, with its defaults
//! u32 in big endian and at most 8 MiB, both ways.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use iroh::endpoint::{Connection, RecvStream, SendStream};
use n0_future::Stream;
use tokio_util::codec::{Decoder, Encoder, FramedRead, FramedWrite, LengthDelimitedCodec};

pub const ALPN: &[u8] = b"iroh/automerge-repo/1";

/// What samod takes: whole frames as vectors.
#[derive(Clone)]
pub struct Frames(LengthDelimitedCodec);

impl Frames {
    /// With another limit than the codec's own if one is given.
    pub fn new(max_bytes: Option<usize>) -> Self {
        let mut codec = LengthDelimitedCodec::new();
        if let Some(bytes) = max_bytes {
            codec.set_max_frame_length(bytes);
        }
        Self(codec)
    }

    /// Both halves of a session.
    pub fn over(
        &self,
        connection: Connection,
        (send, recv): (SendStream, RecvStream),
    ) -> (Inbound, FramedWrite<SendStream, Self>) {
        let frames = FramedRead::new(recv, self.clone());
        (Inbound { frames, _connection: connection }, FramedWrite::new(send, self.clone()))
    }
}

impl Encoder<Vec<u8>> for Frames {
    type Error = io::Error;

    fn encode(&mut self, frame: Vec<u8>, out: &mut BytesMut) -> io::Result<()> {
        self.0.encode(Bytes::from(frame), out)
    }
}

impl Decoder for Frames {
    type Item = Vec<u8>;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.decode(bytes)?.map(Vec::from))
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.decode_eof(bytes)?.map(Vec::from))
    }
}

/// Frames that come; the connection lives as long.
pub struct Inbound {
    frames: FramedRead<RecvStream, Frames>,
    _connection: Connection,
}

impl Stream for Inbound {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.frames).poll_next(context)
    }
}
