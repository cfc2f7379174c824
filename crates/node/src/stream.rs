//! Faces `ts/endpoint/send.ts` and `ts/endpoint/recv.ts`.

use std::sync::Arc;

use bytes::Bytes;
use napi::bindgen_prelude::{BigInt, Uint8ArraySlice};
use napi_derive::napi;

use crate::{
    bridge::{NativeBridge, code_bytes, writable},
    connection::Held,
    core::panicked,
    error::{stale, to_js},
    queue::{Aux, Event},
};

/// An answer that is null or a code.
fn maybe_code(call: u32, code: Option<u64>) -> Event {
    match code {
        None => Event::done(call),
        Some(code) => Event::ok(call, Aux::Value(1), code_bytes(code)),
    }
}

#[napi]
impl NativeBridge {
    /// The QUIC id of either half. A number: a peer that opened 2^53 streams would have been at it for a long time.
    #[napi]
    #[allow(clippy::cast_precision_loss, reason = "see above")]
    pub fn stream_id(&self, stream: u32) -> napi::Result<f64> {
        let table = self.table();
        let id = table
            .send(stream)
            .map(|send| send.id())
            .or_else(|| table.recv(stream).map(|recv| recv.id()));
        id.map(|id| id as f64).ok_or_else(|| stale("stream"))
    }

    /// Copies `data` into the send queue; 1 if the queue is over its mark.
    #[napi(catch_unwind)]
    pub fn push(&self, send: u32, data: &[u8]) -> napi::Result<u32> {
        let send = self.send_of(send)?;
        let over = send.append(Bytes::copy_from_slice(data)).map_err(to_js)?;
        self.pump(&send)?;
        Ok(over.into())
    }

    /// OK once the queue is at half its mark.
    #[napi(catch_unwind)]
    pub fn wait_drained(&self, call: u32, send: u32) -> napi::Result<()> {
        self.send_of(send)?.wait_drained(call);
        Ok(())
    }

    /// Marks the end behind what was written.
    #[napi(catch_unwind)]
    pub fn finish(&self, send: u32) -> napi::Result<()> {
        let send = self.send_of(send)?;
        send.finish().map_err(to_js)?;
        self.pump(&send)
    }

    /// Gives the stream up.
    #[napi(catch_unwind)]
    pub fn reset(&self, send: u32, code: BigInt) -> napi::Result<()> {
        self.send_of(send)?.reset(code.get_u64().1);
        Ok(())
    }

    /// Tells the peer to send no more.
    #[napi(catch_unwind)]
    pub fn stop(&self, recv: u32, code: BigInt) -> napi::Result<()> {
        self.recv_of(recv)?.stop(code.get_u64().1);
        Ok(())
    }

    /// OK: null once the peer acknowledged everything, its code if it stopped reading.
    #[napi(catch_unwind)]
    pub fn wait_stopped(&self, call: u32, send: u32) -> napi::Result<()> {
        let stopped = self.send_of(send)?.stopped();
        self.core()?.call(call, async move { Ok(maybe_code(call, stopped.await?)) });
        Ok(())
    }

    /// The QUIC id of a finished stream that the peer has all of, else -1.
    #[napi(catch_unwind)]
    #[allow(clippy::cast_precision_loss, reason = "see `stream_id`")]
    pub fn acknowledged(&self, send: u32) -> f64 {
        match self.table().send(send) {
            Some(send) if send.acknowledged() => send.id() as f64,
            _ => -1.0,
        }
    }

    /// OK: the code if the peer resets, null if the stream ends well.
    #[napi]
    pub fn wait_reset(&self, call: u32, recv: u32) -> napi::Result<()> {
        let recv = self.recv_of(recv)?;
        self.core()?.call(call, async move { Ok(maybe_code(call, recv.received_reset().await?)) });
        Ok(())
    }

    /// Higher goes first.
    #[napi(catch_unwind)]
    pub fn priority(&self, send: u32) -> napi::Result<i32> {
        Ok(self.send_of(send)?.priority())
    }

    /// Higher goes first.
    #[napi(catch_unwind)]
    pub fn set_priority(&self, send: u32, priority: i32) -> napi::Result<()> {
        self.send_of(send)?.set_priority(priority);
        Ok(())
    }

    /// Whether it came before the handshake was done.
    #[napi(catch_unwind)]
    pub fn is_early(&self, recv: u32) -> napi::Result<bool> {
        Ok(self.recv_of(recv)?.is_early())
    }

    /// Bytes read, 0 at the end, -1 if there are none yet: then one OK on `call`.
    #[napi(catch_unwind)]
    pub fn read_into(
        &self,
        recv: u32,
        mut target: Uint8ArraySlice<'_>,
        call: u32,
    ) -> napi::Result<i32> {
        let read = self.recv_of(recv)?.read_into(writable(&mut target), call).map_err(to_js)?;
        Ok(read.map_or(-1, |n| i32::try_from(n).unwrap_or(i32::MAX)))
    }

    /// For tests, and only with `GAIWAN_TEST_HOOKS=1` in the environment: a task of the connection panics.
    #[napi]
    pub fn test_panic(&self, call: u32, connection: u32) -> napi::Result<()> {
        if std::env::var_os("GAIWAN_TEST_HOOKS").is_none_or(|value| value != "1") {
            return Err(napi::Error::from_reason("test hooks are off"));
        }
        let held = CloseOnPanic(self.connection_of(connection)?);
        self.core()?.call(call, async move {
            let held = held;
            if held.0.quinn().close_reason().is_none() {
                panic!("a test wants this panic");
            }
            Err(panicked())
        });
        Ok(())
    }
}

/// Ends a connection whose task panicked.
struct CloseOnPanic(Arc<Held>);

impl Drop for CloseOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.connection.close(0, b"");
        }
    }
}
