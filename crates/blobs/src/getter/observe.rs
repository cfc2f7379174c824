//! What a provider has of a blob. Nothing in it is proof.

use bytes::{Buf, BytesMut};
use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::{Connection, Failure};
use quinn::{RecvStream, VarInt};

use super::{feed::failure, get::ask};
use crate::{
    proto::{Bitfield, MAX_MESSAGE_BYTES, ObserveFrame, ObserveRequest, Request},
    transfer::TransferStats,
};

/// Boundaries that a provider can make us remember, 8 MiB; one that fits a frame has fewer.
const MOST: usize = 1 << 20;

/// What a provider has, as it changes. Dropping it ends the request.
pub struct Observation {
    recv: RecvStream,
    buffer: BytesMut,
    known: Bitfield,
    /// It has said something.
    has_spoken: bool,
    /// How it ended; a failure comes again whenever it is asked.
    over: Option<Failure>,
    /// Keeps the connection open.
    _connection: Connection,
}

/// Asks what the provider has of `hash`.
pub async fn observe(connection: &Connection, hash: Hash) -> Result<Observation, Failure> {
    let request = Request::Observe(ObserveRequest::new(hash));
    let recv = ask(connection, &request, None, &mut TransferStats::default()).await?;
    Ok(Observation {
        recv,
        buffer: BytesMut::new(),
        known: Bitfield::empty(),
        has_spoken: false,
        over: None,
        _connection: connection.clone(),
    })
}

impl Observation {
    /// All that the provider has, after its first word and after each that changes something; `None` when it says no more.
    /// A frame over 1 MiB or with boundaries that do not rise is a `PROTOCOL_VIOLATION`, and so are more than a million of
    /// them together.
    pub async fn next(&mut self) -> Result<Option<Bitfield>, Failure> {
        if let Some(failure) = &self.over {
            return Err(failure.clone());
        }
        let word = self.word().await;
        self.over = word.as_ref().err().cloned();
        word
    }

    async fn word(&mut self) -> Result<Option<Bitfield>, Failure> {
        let violation = |text: String| Failure::new(ErrorCode::ProtocolViolation, text);
        loop {
            match ObserveFrame::decode(&self.buffer)
                .map_err(|error| violation(error.to_string()))?
            {
                ObserveFrame::Whole { item, length } => {
                    self.buffer.advance(length);
                    let changes = self.known.update(&item);
                    if self.known.ranges().boundaries().len() > MOST {
                        return Err(violation("the provider has too many ranges".into()));
                    }
                    if changes || !self.has_spoken {
                        self.has_spoken = true;
                        return Ok(Some(self.known.clone()));
                    }
                    // Whoever repeats itself as fast as it can must not keep a thread from the others.
                    tokio::task::consume_budget().await;
                    continue;
                }
                ObserveFrame::Needs(_) => {}
            }
            let chunk = self.recv.read_chunk(MAX_MESSAGE_BYTES, true).await;
            match chunk.map_err(|error| failure(&error))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    return Err(violation("the provider stopped in the middle of a frame".into()));
                }
            }
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let _ = self.recv.stop(VarInt::from_u32(0));
    }
}
