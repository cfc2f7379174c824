//! Frames: `u32` big-endian length and so many bytes (`src/net/util.rs` of iroh-gossip 0.101).

use bytes::{Bytes, BytesMut};
use quinn::{ReadError, RecvStream};

use super::topic_id::TopicId;

/// Bytes of the prefix.
pub const PREFIX: usize = 4;
/// A longer frame ends its connection.
pub const MAX_SKIP: usize = 1024 * 1024;
/// Bytes taken from a stream at once.
const CHUNK: usize = 32 * 1024;

/// The first frame of a stream: 32 bytes of topic.
pub fn header(topic: &TopicId) -> Bytes {
    frame(&topic.0)
}

/// A body with its prefix; bodies are shorter than 4 GiB by far.
pub fn frame(body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(PREFIX + body.len());
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(body);
    out.into()
}

/// What a stream has next.
#[derive(Debug)]
pub enum Next {
    /// A frame's body.
    Body(Bytes),
    /// A frame above the limit; its bytes were skipped.
    Skipped,
    /// A frame so long that nothing honest follows.
    TooLong,
    /// The stream ended, or was reset, between frames or in a prefix.
    End,
    /// It ended inside a body.
    Cut,
}

/// Reads frames off one stream. Memory is taken as bytes arrive, never by the prefix.
#[derive(Debug)]
pub struct FrameReader {
    recv: RecvStream,
    buffer: BytesMut,
    limit: usize,
}

impl FrameReader {
    /// Bodies of at most `limit` bytes are given out.
    pub fn new(recv: RecvStream, limit: usize) -> Self {
        Self { recv, buffer: BytesMut::new(), limit }
    }

    /// The next frame. Must not be dropped half-way: a length may have been taken off.
    pub async fn next(&mut self) -> Result<Next, ReadError> {
        if !self.fill(PREFIX).await? {
            return Ok(Next::End);
        }
        let prefix = self.buffer.split_to(PREFIX);
        let length = prefix.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
        if length > self.limit.max(MAX_SKIP) {
            return Ok(Next::TooLong);
        }
        if length > self.limit {
            return Ok(if self.skip(length).await? { Next::Skipped } else { Next::Cut });
        }
        if !self.fill(length).await? {
            return Ok(Next::Cut);
        }
        Ok(Next::Body(self.buffer.split_to(length).freeze()))
    }

    /// Until so many bytes are there; `false` if the stream ends before.
    async fn fill(&mut self, length: usize) -> Result<bool, ReadError> {
        while self.buffer.len() < length {
            match self.recv.read_chunk(CHUNK, true).await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk.bytes),
                Ok(None) | Err(ReadError::Reset(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn skip(&mut self, mut length: usize) -> Result<bool, ReadError> {
        loop {
            let taken = self.buffer.len().min(length);
            let _ = self.buffer.split_to(taken);
            length -= taken;
            if length == 0 {
                return Ok(true);
            }
            if !self.fill(1).await? {
                return Ok(false);
            }
        }
    }
}
