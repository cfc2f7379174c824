//! The loop that meets the requests of a peer. Faces `ts/rpc/serve.ts`.

use std::time::Duration;

use gaiwan_endpoint::framed::{Acceptor, AcceptorOptions};
use napi_derive::napi;

use super::{piece::Piece, waiting::Waiting};
use crate::{
    bridge::NativeBridge,
    connection::over,
    options::whole,
    queue::{Aux, Event},
};

/// What one connection may ask of a server.
#[napi(object)]
pub struct NativeFramedLimits {
    /// Of one request's payload.
    pub max_bytes: u32,
    /// Of all requests that are not whole.
    pub max_pending_bytes: f64,
    /// Milliseconds.
    pub head_of_line_ms: f64,
    /// Milliseconds.
    pub request_timeout_ms: f64,
    /// Then the connection is closed with code 2.
    pub max_bad: u32,
}

#[napi]
impl NativeBridge {
    /// ITEM aux a request's handle, body its payload; END, FAILED as for `accept_streams`. How many requests may wait
    /// undrained is bounded by the streams that the peer was granted.
    #[napi]
    pub fn framed_accept(
        &self,
        connection: u32,
        sub: u32,
        limits: NativeFramedLimits,
    ) -> napi::Result<()> {
        let (core, held) = (self.core()?, self.connection_of(connection)?);
        let millis = |ms: f64| Duration::from_millis(whole(ms));
        let options = AcceptorOptions {
            max_bytes: limits.max_bytes as usize,
            max_pending: usize::try_from(whole(limits.max_pending_bytes)).unwrap_or(usize::MAX),
            head_of_line: millis(limits.head_of_line_ms),
            request_timeout: millis(limits.request_timeout_ms),
            max_bad: limits.max_bad,
        };
        let shared = core.clone();
        core.subscribe(sub, async move {
            let mut acceptor = Acceptor::new(held.connection.clone(), options);
            let strikes = acceptor.strikes().clone();
            loop {
                match acceptor.next().await {
                    Ok(request) => {
                        let (waiting, frame) = Waiting::new(request, held.clone(), strikes.clone());
                        let object = Piece::Waiting(Box::new(waiting)).object();
                        shared.push(Event::item(sub, Aux::Object(object), frame));
                        shared.look();
                    }
                    Err(error) => return over(&error),
                }
            }
        });
        Ok(())
    }
}
