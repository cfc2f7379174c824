//! Calls that are more than one request and one answer. Faces `ts/rpc/link.ts`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use gaiwan_endpoint::{Failure, framed::FrameReader};
use napi_derive::napi;
use quinn::{RecvStream, SendStream};

use super::{
    call::{MAX_BITS, take_head},
    frames::Frames,
    piece::Piece,
    waiting::QUEUE,
};
use crate::{
    bridge::NativeBridge,
    connection::Held,
    core::Core,
    error::to_js,
    queue::{Aux, Event},
    send::SendHalf,
    table::Object,
};

/// Bit of the `param` of an OPEN: the request is all there is to send.
const FINISH: u32 = 1 << 28;

/// A stream to be opened, and what goes out with it.
struct Opening {
    request: Bytes,
    finish: bool,
    max: usize,
    priority: i32,
}

impl Opening {
    /// One step: no stream that is open stays silent. The sending half is answered only if there is more to send; else
    /// it lives until all is out.
    fn start(
        self,
        core: &Arc<Core>,
        held: &Arc<Held>,
        (send, recv): (SendStream, RecvStream),
    ) -> Result<(Option<Object>, Object), Failure> {
        if self.priority != 0 {
            let _ = send.set_priority(self.priority);
        }
        let send = SendHalf::with_mark(core, held, send, QUEUE);
        send.append(self.request)?;
        if self.finish {
            send.finish()?;
        }
        if send.schedule() {
            core.send(crate::core::Job::Pump(send.clone()));
        }
        let frames = Frames::new(core, held, FrameReader::new(recv, self.max));
        let send = (!self.finish).then_some(Object::Send(send));
        Ok((send, Piece::Frames(frames).object()))
    }

    fn opened(
        self,
        id: u32,
        core: &Arc<Core>,
        held: &Arc<Held>,
        streams: (SendStream, RecvStream),
    ) -> Event {
        match self.start(core, held, streams) {
            Ok((Some(send), frames)) => Event::ok(id, Aux::Pair(send, frames), Bytes::new()),
            Ok((None, frames)) => Event::ok(id, Aux::Object(frames), Bytes::new()),
            Err(failure) => Event::error(id, &failure),
        }
    }
}

/// A call to be opened.
pub struct Open {
    /// Where.
    pub connection: Arc<Held>,
    /// Bits 0 to 24: bytes of an answer's payload; [`FINISH`].
    pub param: u32,
    /// Head and request, as of a CALL.
    pub body: Bytes,
}

impl Open {
    /// At once if the peer has given credit, so that calls keep their order; else the future that waits for it. OK has
    /// the receiving half if the request was all there is to send, else both.
    pub fn begin(
        mut self,
        id: u32,
        core: &Arc<Core>,
    ) -> Result<Event, impl Future<Output = Event> + Send + use<>> {
        let (priority, _) = take_head(&mut self.body);
        let opening = Opening {
            request: self.body,
            finish: self.param & FINISH != 0,
            max: (self.param & MAX_BITS) as usize,
            priority,
        };
        let (core, held) = (core.clone(), self.connection);
        match held.quinn().open_bi().now_or_never() {
            Some(Ok(streams)) => Ok(opening.opened(id, &core, &held, streams)),
            Some(Err(error)) => Ok(Event::error(id, &Failure::connection(&error))),
            None => Err(async move {
                match held.quinn().open_bi().await {
                    Ok(streams) => opening.opened(id, &core, &held, streams),
                    Err(error) => Event::error(id, &Failure::connection(&error)),
                }
            }),
        }
    }
}

#[napi]
impl NativeBridge {
    /// Ends a sending half with an abort mark behind what was written. If that has not left within `grace_ms` it is
    /// reset with code 0, and if not even the first `whole` bytes have, the connection is tainted. Uses the handle up.
    #[napi(catch_unwind)]
    pub fn framed_abort(
        &self,
        send: u32,
        code: u32,
        grace_ms: u32,
        whole: f64,
    ) -> napi::Result<()> {
        let object = self.table_mut().remove(send);
        let Some(Object::Send(send)) = object else { return Ok(()) };
        let mark = gaiwan_endpoint::framed::mark(u8::try_from(code & 0x7f).unwrap_or_default());
        if send.append(Bytes::copy_from_slice(&[mark])).is_err() || send.finish().is_err() {
            // It was ended before, or the peer has stopped it.
            return Ok(());
        }
        self.pump(&send)?;
        let core = self.core()?;
        let grace = Duration::from_millis(grace_ms.into());
        let whole = crate::options::whole(whole);
        core.enter(|| {
            tokio::spawn(async move {
                if tokio::time::timeout(grace, send.stopped()).await.is_err() && !send.is_over() {
                    if send.sent() < whole {
                        send.connection().connection.taint();
                    }
                    send.reset(0);
                }
            })
        });
        Ok(())
    }

    /// Whether new requests had better take another connection.
    #[napi(catch_unwind)]
    pub fn framed_tainted(&self, connection: u32) -> napi::Result<bool> {
        Ok(self.connection_of(connection)?.connection.is_tainted())
    }
}
