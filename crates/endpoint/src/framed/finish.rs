//! Ending the sending half of a stream with its last bytes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use quinn::{SendStream, VarInt, WriteError};

/// Resets when it is dropped unfinished: quinn alone would finish the stream.
struct Unfinished(Option<SendStream>);

impl Unfinished {
    async fn write(mut self, last: Bytes) -> Result<(), WriteError> {
        if let Some(stream) = &mut self.0 {
            if !last.is_empty() {
                stream.write_chunk(last).await?;
            }
            // Fails only on a stream that is over.
            let _ = stream.finish();
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            let _ = stream.reset(VarInt::from_u32(0));
        }
    }
}

/// Writes `last` and the end: at once if QUIC has room, which it nearly always has, else in the background for as long
/// as it takes. `held` lives until then. Inside a runtime only.
pub fn finish_with(stream: SendStream, last: Bytes, held: impl Send + 'static) {
    let mut write = Box::pin(async move {
        let _held = held;
        // A peer that stopped the stream does not want it.
        let _ = Unfinished(Some(stream)).write(last).await;
    });
    if write.as_mut().now_or_never().is_none() {
        tokio::spawn(write);
    }
}

/// As [`finish_with`], but resets the stream with code 0 if that takes longer than `grace`.
pub fn finish_soon(stream: SendStream, last: Bytes, grace: Duration) {
    let mut write = Box::pin(async move {
        let _ = Unfinished(Some(stream)).write(last).await;
    });
    if write.as_mut().now_or_never().is_none() {
        tokio::spawn(tokio::time::timeout(grace, write));
    }
}
