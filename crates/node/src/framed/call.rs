//! One request and its one answer, from the block of a tick. Faces `ts/rpc/link.ts`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gaiwan_endpoint::{
    Failure,
    framed::{CallError, CallOptions, Queued, Wanted, call},
};

use crate::{
    connection::Held,
    core::Core,
    error::to_json,
    queue::{Aux, Event},
};

/// Bytes in front of the request: priority as i32, grace in milliseconds as u32, little-endian.
const HEAD: usize = 8;
/// Bits 0 to 24 of the `param` of a CALL: bytes of the answer's payload.
pub(super) const MAX_BITS: u32 = 0x01ff_ffff;
/// No answer: an ITEM when transport has the request, done when the peer has it.
const NOTIFY: u32 = 1 << 28;

/// Priority and grace, from the front of a request.
pub(super) fn take_head(body: &mut Bytes) -> (i32, Duration) {
    let head = body.split_to(HEAD.min(body.len()));
    let word = |at: usize| {
        head.get(at..at + 4).and_then(|four| four.first_chunk::<4>()).copied().unwrap_or_default()
    };
    (i32::from_le_bytes(word(0)), Duration::from_millis(u32::from_le_bytes(word(4)).into()))
}

/// A call to be made.
pub struct Call {
    /// Where.
    pub connection: Arc<Held>,
    /// What for; see [`MAX_BITS`].
    pub param: u32,
    /// Head and request.
    pub body: Bytes,
}

impl Call {
    /// OK aux 0: the answer; aux 1: no stream was opened, body the error.
    pub async fn run(mut self, id: u32, core: Arc<Core>) -> Event {
        let (priority, grace) = take_head(&mut self.body);
        let (wanted, queued) = if self.param & NOTIFY == 0 {
            (Wanted::Answer((self.param & MAX_BITS) as usize), None)
        } else {
            let tell = move || core.push(Event::item(id, Aux::Value(0), Bytes::new()));
            (Wanted::Delivered, Some(Box::new(tell) as Queued))
        };
        let options = CallOptions { wanted, priority, grace };
        let failure =
            match call(self.connection.connection.clone(), self.body, options, queued).await {
                Ok(answer) => return Event::ok(id, Aux::Value(0), answer),
                Err(CallError::NotOpened(error)) => {
                    return Event::ok(id, Aux::Value(1), to_json(&Failure::connection(&error)));
                }
                Err(CallError::Write(error)) => Failure::write(&error),
                Err(CallError::Read(error)) => Failure::read(&error),
                Err(CallError::TooLong(max)) => Failure::too_long(max as u64),
                Err(CallError::Stopped(error)) => Failure::stopped_error(&error),
            };
        Event::error(id, &failure)
    }
}
