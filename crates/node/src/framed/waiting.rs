//! A request that waits for its answer. Faces `ts/rpc/server-call.ts`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gaiwan_endpoint::{
    Failure,
    framed::{FrameReader, Request, Strikes, finish_soon, finish_with},
};
use napi_derive::napi;
use quinn::{SendStream, VarInt};

use super::{frames::Frames, piece::Piece};
use crate::{
    bridge::{NativeBridge, code_bytes},
    connection::Held,
    error::to_js,
    queue::{Aux, Event},
    send::SendHalf,
    table::Object,
};

/// Bits 0 to 7 of the `param` of an ANSWER: the code that stops the request half unless it has ended.
const STOP_BITS: u32 = 0xff;
/// The request was a bad one.
const BAD: u32 = 0x100;
/// The bytes are an abort mark: they have only so long to leave.
const MARK: u32 = 0x200;
const GRACE: Duration = Duration::from_secs(5);
/// Above this a producer waits. Small: what waits here was pulled from a handler that nobody may be reading.
pub(super) const QUEUE: usize = 64 * 1024;

/// Both halves of a stream whose request has come.
pub struct Waiting {
    /// `None` once answered or split.
    halves: Option<(SendStream, FrameReader)>,
    held: Arc<Held>,
    strikes: Arc<Strikes>,
}

impl Waiting {
    pub(super) fn new(request: Request, held: Arc<Held>, strikes: Arc<Strikes>) -> (Self, Bytes) {
        let Request { frame, reader, send } = request;
        (Self { halves: Some((send, reader)), held, strikes }, frame)
    }

    /// What the request came on.
    pub fn connection(&self) -> &Arc<Held> {
        &self.held
    }

    /// Ends both halves: writes the last bytes, in one step with the end.
    pub fn answer(mut self, param: u32, last: Bytes) {
        let Some((send, mut reader)) = self.halves.take() else { return };
        #[allow(clippy::cast_possible_truncation, reason = "masked to eight bits")]
        let code = (param & STOP_BITS) as u8;
        if code != 0 && !reader.is_finished() {
            reader.stop(code);
        }
        drop(reader);
        if param & MARK == 0 {
            finish_with(send, last, self.held.clone());
        } else {
            finish_soon(send, last, GRACE);
        }
        if param & BAD != 0 {
            self.strikes.add();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // quinn would finish the answer half, and an empty stream of answers would look whole.
        if let Some((mut send, _)) = self.halves.take() {
            let _ = send.reset(VarInt::from_u32(0));
        }
    }
}

#[napi]
impl NativeBridge {
    /// Makes two handles of a request's: the sending half is answered, the receiving half, in frames of at most
    /// `max_bytes`, is one more. The handle of the request is used up.
    #[napi(catch_unwind)]
    pub fn framed_split(&self, waiting: u32, max_bytes: u32) -> napi::Result<u32> {
        let core = self.core()?;
        let Some(mut waiting) = self.table_mut().take_waiting(waiting) else {
            return Err(to_js(Failure::stream_closed()));
        };
        let Some((send, mut reader)) = waiting.halves.take() else {
            return Err(to_js(Failure::stream_closed()));
        };
        reader.set_max(max_bytes as usize);
        let held = waiting.held.clone();
        let frames = Piece::Frames(Frames::new(core, &held, reader)).object();
        let send = SendHalf::with_mark(core, &held, send, QUEUE);
        Ok(self.table_mut().insert_pair(Object::Send(send), frames))
    }

    /// OK once the peer stopped the answer half of a request: aux 1 and the code; aux 0: it was answered before that.
    #[napi(catch_unwind)]
    pub fn framed_watch(&self, call: u32, waiting: u32) -> napi::Result<()> {
        let stopped = match self.table().framed(waiting) {
            Some(Piece::Waiting(waiting)) => {
                waiting.halves.as_ref().map(|(send, _)| send.stopped())
            }
            _ => None,
        };
        let stopped = stopped.ok_or_else(|| to_js(Failure::stream_closed()))?;
        self.core()?.call(call, async move {
            match stopped.await {
                Ok(Some(code)) => Ok(Event::ok(call, Aux::Value(1), code_bytes(code.into_inner()))),
                Ok(None) => Ok(Event::done(call)),
                Err(error) => Err(Failure::stopped_error(&error)),
            }
        });
        Ok(())
    }

    /// Whether a request came before the handshake was done.
    #[napi]
    pub fn framed_early(&self, waiting: u32) -> bool {
        match self.table().framed(waiting) {
            Some(Piece::Waiting(waiting)) => {
                waiting.halves.as_ref().is_some_and(|(_, reader)| reader.is_early())
            }
            _ => false,
        }
    }
}
