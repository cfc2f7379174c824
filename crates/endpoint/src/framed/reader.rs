//! Whole frames off the receiving half of a stream.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use quinn::{ReadError, RecvStream, VarInt};

use super::{
    TOO_LARGE,
    accept::Pool,
    prefix::{MAX_PREFIX, Prefix, mark_of, parse},
};

/// Chunks taken from QUIC under one lock of the connection; each is a packet's worth.
const CHUNKS: usize = 32;
/// Bytes of whole frames that are handed over at once, if there are more frames than one.
const BATCH: usize = 64 * 1024;
/// A buffer may grow by so many times of what it holds already.
const GROWTH: usize = 3;

/// How a half ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Between frames.
    Fin,
    /// With an abort mark.
    Mark(u8),
    /// Inside a prefix or a payload.
    Truncated,
    /// A prefix that is no length.
    Malformed,
    /// A frame above the limit. The peer was told to stop, with code 1.
    TooLong,
    /// The bytes of unfinished requests are over their limit.
    Busy,
}

/// What there is to hand over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// So many bytes at the front of the buffer are whole frames, prefixes included.
    Frames(usize),
    /// Nothing more comes.
    End(End),
}

/// Reads one half. Dropped before its end it stops the stream with code 0.
pub struct FrameReader {
    stream: RecvStream,
    /// What was read and not handed over.
    buffer: BytesMut,
    max: usize,
    finished: bool,
    end: Option<End>,
    /// Kept: quinn tells of a reset once, and then of a good end.
    failure: Option<ReadError>,
    /// Where the buffer is counted while the first frame is not whole.
    pool: Option<Arc<Pool>>,
}

impl FrameReader {
    /// Takes a stream over; payloads may have `max` bytes.
    pub fn new(stream: RecvStream, max: usize) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            max,
            finished: false,
            end: None,
            failure: None,
            pool: None,
        }
    }

    /// As `new`, counted in `pool` until the first frame was taken.
    pub(super) fn counted(stream: RecvStream, max: usize, pool: Arc<Pool>) -> Self {
        let mut reader = Self::new(stream, max);
        reader.pool = Some(pool);
        reader
    }

    /// From now on payloads may have `max` bytes.
    pub fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Whether FIN has come.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether it came before the handshake was done.
    pub fn is_early(&self) -> bool {
        self.stream.is_0rtt()
    }

    /// Tells the peer to send no more.
    pub fn stop(&mut self, code: u8) {
        // Fails only on a stream that is over.
        let _ = self.stream.stop(VarInt::from_u32(code.into()));
    }

    /// All whole frames at hand, up to 64 KiB or one that is larger. Reads no further than that from QUIC.
    pub fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<Result<Batch, ReadError>> {
        loop {
            let read = self.fill(cx, BATCH);
            let whole = self.whole();
            if whole > 0 {
                return Poll::Ready(Ok(Batch::Frames(whole)));
            }
            if let Some(end) = self.end {
                return Poll::Ready(Ok(Batch::End(end)));
            }
            ready!(read)?;
        }
    }

    /// The first frame, without its prefix. Takes FIN, too, if it is there.
    pub async fn first(&mut self) -> Result<Result<Bytes, End>, ReadError> {
        std::future::poll_fn(|cx| self.poll_first(cx)).await
    }

    /// See [`FrameReader::first`].
    pub fn poll_first(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<Bytes, End>, ReadError>> {
        loop {
            if let Prefix::Frame { head, length } = parse(&self.buffer, self.max)
                && self.buffer.len() - head >= length
            {
                if let Some(pool) = self.pool.take() {
                    pool.bytes.fetch_sub(self.buffer.len(), Relaxed);
                }
                if !self.finished && self.buffer.len() == head + length {
                    // A failure comes up with the next read.
                    let _ = self.fill(cx, self.buffer.len() + 1);
                }
                self.buffer.advance(head);
                return Poll::Ready(Ok(Ok(self.buffer.split_to(length).freeze())));
            }
            self.judge();
            if let Some(end) = self.end {
                return Poll::Ready(Ok(Err(end)));
            }
            ready!(self.fill(cx, self.buffer.len() + 1))?;
        }
    }

    /// The front of the buffer.
    pub fn peek(&self, bytes: usize) -> &[u8] {
        &self.buffer[..bytes]
    }

    /// Takes what was looked at out of the buffer.
    pub fn advance(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        if self.buffer.is_empty() {
            // A large frame must not keep its memory.
            self.buffer = BytesMut::new();
        }
    }

    /// Reads until the buffer holds `target` bytes and the frame at its front is whole, or nothing is there.
    fn fill(&mut self, cx: &mut Context<'_>, target: usize) -> Poll<Result<(), ReadError>> {
        let mut some = false;
        if let Some(error) = &self.failure {
            return Poll::Ready(Err(error.clone()));
        }
        while !self.finished
            && self.failure.is_none()
            && self.end.is_none()
            && (self.buffer.len() < target || self.wants() > 0)
        {
            let mut batch: [Bytes; CHUNKS] = Default::default();
            let Poll::Ready(read) = pin!(self.stream.read_chunks(&mut batch)).poll(cx) else {
                return if some { Poll::Ready(Ok(())) } else { Poll::Pending };
            };
            match read {
                Ok(None) => self.finished = true,
                Ok(Some(count)) => self.take(&batch[..count]),
                Err(error) => self.failure = Some(error),
            }
            some = true;
            self.judge();
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that the frame at the front of the buffer still needs, as far as is known.
    fn wants(&self) -> usize {
        match parse(&self.buffer, self.max) {
            Prefix::Frame { head, length } => (head + length).saturating_sub(self.buffer.len()),
            _ => 0,
        }
    }

    fn take(&mut self, chunks: &[Bytes]) {
        let bytes: usize = chunks.iter().map(Bytes::len).sum();
        if let Some(pool) = &self.pool
            && pool.bytes.fetch_add(bytes, Relaxed) + bytes > pool.max
        {
            pool.bytes.fetch_sub(bytes, Relaxed);
            self.end = Some(End::Busy);
            return;
        }
        // Room for what has come, and for a part of what was only announced.
        self.buffer.reserve(self.wants().min((self.buffer.len() + bytes) * GROWTH).max(bytes));
        chunks.iter().for_each(|chunk| self.buffer.extend_from_slice(chunk));
    }

    /// Looks whether the buffer can never become a frame.
    fn judge(&mut self) {
        if self.end.is_some() {
            return;
        }
        let parsed = parse(&self.buffer, self.max);
        self.end = match parsed {
            Prefix::TooLong => {
                self.stop(TOO_LARGE);
                Some(End::TooLong)
            }
            Prefix::Malformed => Some(End::Malformed),
            _ if !self.finished => None,
            Prefix::Frame { head, length } if self.buffer.len() >= head + length => None,
            _ if self.buffer.is_empty() => Some(End::Fin),
            _ => Some(mark_of(&self.buffer).map_or(End::Truncated, End::Mark)),
        };
    }

    /// Bytes of whole frames at the front, up to the size of a batch or one frame.
    fn whole(&mut self) -> usize {
        let mut at = 0;
        while at < self.buffer.len() {
            let rest = &self.buffer[at..];
            match parse(&rest[..rest.len().min(MAX_PREFIX)], self.max) {
                Prefix::Frame { head, length } if rest.len() - head >= length => {
                    if at > 0 && at + head + length > BATCH {
                        break;
                    }
                    at += head + length;
                }
                _ => break,
            }
        }
        if at == 0 {
            self.judge();
        }
        at
    }
}

impl Drop for FrameReader {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.bytes.fetch_sub(self.buffer.len(), Relaxed);
        }
    }
}
