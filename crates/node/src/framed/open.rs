//! Calls that are more than one request and one answer. Faces `ts/rpc/link.ts`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use gaiwan_endpoint::{Failure, framed::FrameReader};
use napi_derive::napi;
use quinn::{RecvStream, SendStream};

use super::{frames::Frames, piece::Piece, waiting::QUEUE};
use crate::{
    bridge::NativeBridge,
    connection::Held,
    core::Core,
    error::to_js,
    queue::{Aux, Event},
    send::SendHalf,
    table::Object,
};

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
}

#[napi]
impl NativeBridge {
    /// Opens a stream and writes `request` on it, and the end if `finish`. The handle: of the receiving half if
    /// `finish`, else of the sending half, and the receiving half is one more. 0 if it must wait for credit: then OK on
    /// `call` has it. Answers in frames of at most `max_bytes`.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "one crossing")]
    pub fn framed_open(
        &self,
        connection: u32,
        call: u32,
        priority: i32,
        finish: bool,
        max_bytes: u32,
        request: &[u8],
    ) -> napi::Result<u32> {
        let (core, held) = (self.core()?, self.connection_of(connection)?);
        let opening = Opening {
            request: Bytes::copy_from_slice(request),
            finish,
            max: max_bytes as usize,
            priority,
        };
        match held.quinn().open_bi().now_or_never() {
            Some(Ok(streams)) => {
                let mut table = self.table_mut();
                return Ok(match opening.start(core, &held, streams).map_err(to_js)? {
                    (Some(send), frames) => table.insert_pair(send, frames),
                    (None, frames) => table.insert(frames),
                });
            }
            Some(Err(error)) => return Err(to_js(Failure::connection(&error))),
            None => {}
        }
        let shared = core.clone();
        core.call(call, async move {
            let streams =
                held.quinn().open_bi().await.map_err(|error| Failure::connection(&error))?;
            let aux = match opening.start(&shared, &held, streams)? {
                (Some(send), frames) => Aux::Pair(send, frames),
                (None, frames) => Aux::Object(frames),
            };
            Ok(Event::ok(call, aux, Bytes::new()))
        });
        Ok(0)
    }

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
