//! One request, one bi stream, one answer: a crossing out and one back.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, StoppedError, VarInt, WriteError};

use super::{
    TOO_LARGE,
    prefix::{Prefix, parse},
};
use crate::Connection;

const CHUNKS: usize = 16;
/// A buffer may grow by so many times of what it holds already.
const GROWTH: usize = 3;

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// One frame, then FIN; the payload may have so many bytes.
    Answer(usize),
    /// Until the peer has the request, or has stopped it with code 0. The answer half is stopped with code 0.
    Delivered,
}

/// Called when transport has taken the request whole.
pub type Queued = Box<dyn FnOnce() + Send>;

/// How a call is made.
#[derive(Debug, Clone, Copy)]
pub struct CallOptions {
    /// What it waits for.
    pub wanted: Wanted,
    /// Of the stream; higher goes first.
    pub priority: i32,
    /// How long a request may take to be written that was given up half-sent.
    pub grace: Duration,
}

/// Why a call has no answer.
#[derive(Debug)]
pub enum CallError {
    /// No stream was opened, so nothing was sent.
    NotOpened(ConnectionError),
    /// The request could not be written.
    Write(WriteError),
    /// The answer could not be read.
    Read(ReadError),
    /// The answer is above its limit; the peer was told to stop with code 1.
    TooLong(usize),
    /// Nobody knows whether the peer has it.
    Stopped(StoppedError),
}

/// A stream whose request must reach the peer whole, whatever becomes of the caller.
struct Outgoing {
    connection: Connection,
    send: Option<SendStream>,
    rest: Bytes,
    grace: Duration,
}

impl Outgoing {
    /// Writes all and the end. A stop by the peer is no failure: it may answer before it has read everything.
    async fn write(&mut self) -> Result<(), WriteError> {
        let Some(send) = &mut self.send else { return Ok(()) };
        while !self.rest.is_empty() {
            // Takes from `rest` what was written and nothing else, so that this can be dropped at any time.
            match send.write_chunks(std::slice::from_mut(&mut self.rest)).await {
                Ok(_) => {}
                Err(WriteError::Stopped(_)) => self.rest = Bytes::new(),
                Err(error) => {
                    self.rest = Bytes::new();
                    return Err(error);
                }
            }
        }
        // Fails only on a stream that is over.
        let _ = send.finish();
        Ok(())
    }
}

impl Drop for Outgoing {
    /// An abort: what is left is written in the background. A reset could void a request that the peer has not read,
    /// and the reference then closes the connection.
    fn drop(&mut self) {
        if self.rest.is_empty() || self.connection.quinn().close_reason().is_some() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (send, rest) = (self.send.take(), std::mem::take(&mut self.rest));
        let mut outgoing = Background { connection: self.connection.clone(), send, rest };
        let grace = self.grace;
        runtime.spawn(async move {
            if tokio::time::timeout(grace, outgoing.write()).await.is_err() {
                outgoing.give_up();
            }
        });
    }
}

/// The rest of a request that nobody waits for.
struct Background {
    connection: Connection,
    send: Option<SendStream>,
    rest: Bytes,
}

impl Background {
    async fn write(&mut self) {
        let Some(send) = &mut self.send else { return };
        while !self.rest.is_empty() {
            if send.write_chunks(std::slice::from_mut(&mut self.rest)).await.is_err() {
                return;
            }
        }
        let _ = send.finish();
    }

    fn give_up(mut self) {
        if let Some(send) = &mut self.send {
            let _ = send.reset(VarInt::from_u32(0));
        }
        self.connection.taint();
    }
}

/// Opens a stream, waiting for credit, sends `request` and the end, and gives what was wanted: for an answer all bytes
/// of the other half, which are a prefix and no more bytes than it says and one, or an abort mark. Dropped before the
/// stream is open it leaves nothing behind; later the request still reaches the peer whole, and the answer is stopped
/// with code 0.
pub async fn call(
    connection: Connection,
    request: Bytes,
    options: CallOptions,
    queued: Option<Queued>,
) -> Result<Bytes, CallError> {
    let (send, mut recv) = connection.quinn().open_bi().await.map_err(CallError::NotOpened)?;
    if options.priority != 0 {
        let _ = send.set_priority(options.priority);
    }
    let mut outgoing =
        Outgoing { connection, send: Some(send), rest: request, grace: options.grace };
    match options.wanted {
        Wanted::Answer(max) => {
            outgoing.write().await.map_err(CallError::Write)?;
            read_one(&mut recv, max).await
        }
        Wanted::Delivered => {
            let _ = recv.stop(VarInt::from_u32(0));
            outgoing.write().await.map_err(CallError::Write)?;
            if let Some(queued) = queued {
                queued();
            }
            let Some(send) = &outgoing.send else { return Ok(Bytes::new()) };
            match send.stopped().await.map_err(CallError::Stopped)? {
                Some(code) if code.into_inner() != 0 => {
                    Err(CallError::Write(WriteError::Stopped(code)))
                }
                _ => Ok(Bytes::new()),
            }
        }
    }
}

/// All bytes up to FIN, as long as they can be one frame. Memory grows with what has come.
async fn read_one(recv: &mut RecvStream, max: usize) -> Result<Bytes, CallError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let mut batch: [Bytes; CHUNKS] = Default::default();
        let Some(count) = recv.read_chunks(&mut batch).await.map_err(CallError::Read)? else {
            return Ok(if rest.is_empty() { first } else { rest.freeze() });
        };
        let come: usize = batch[..count].iter().map(Bytes::len).sum();
        if first.is_empty() && rest.is_empty() && count == 1 {
            // Mostly all of it: no copy.
            first = std::mem::take(&mut batch[0]);
        } else {
            if !first.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            let wants = match parse(&rest, max) {
                Prefix::Frame { head, length } => (head + length).saturating_sub(rest.len()),
                _ => 0,
            };
            rest.reserve(wants.min((rest.len() + come) * GROWTH).max(come));
            batch[..count].iter().for_each(|chunk| rest.extend_from_slice(chunk));
        }
        let all = if rest.is_empty() { &first[..] } else { &rest[..] };
        match parse(all, max) {
            Prefix::TooLong => {
                let _ = recv.stop(VarInt::from_u32(TOO_LARGE.into()));
                return Err(CallError::TooLong(max));
            }
            Prefix::Frame { head, length } if all.len() > head + length => {
                let _ = recv.stop(VarInt::from_u32(0));
                let end = head + length + 1;
                return Ok(if rest.is_empty() {
                    first.slice(..end)
                } else {
                    rest.freeze().slice(..end)
                });
            }
            Prefix::Malformed => {
                let _ = recv.stop(VarInt::from_u32(0));
                return Ok(if rest.is_empty() { first } else { rest.freeze() });
            }
            Prefix::Frame { .. } | Prefix::Partial => {}
        }
    }
}
