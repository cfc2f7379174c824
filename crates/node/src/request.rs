//! Requests: one bi stream each, one crossing each way.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use gaiwan_endpoint::Failure;
use quinn::{RecvStream, SendStream, VarInt, WriteError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    connection::Held,
    core::Core,
    queue::{Aux, Event},
    recv::Whole,
    table::Object,
};

const CHUNKS: usize = 8;

/// A stream that resets when it is dropped unfinished: quinn alone would finish it.
struct Unfinished(Option<SendStream>);

impl Unfinished {
    /// Writes the whole body and the end.
    async fn write(mut self, body: Bytes) -> Result<(), WriteError> {
        if let Some(stream) = &mut self.0 {
            if !body.is_empty() {
                stream.write_chunk(body).await?;
            }
            // Fails only on a stream that is over.
            let _ = stream.finish();
        }
        self.0 = None;
        Ok(())
    }

    fn reset(mut self, code: u64) {
        if let Some(mut stream) = self.0.take() {
            let _ = stream.reset(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            let _ = stream.reset(VarInt::from_u32(0));
        }
    }
}

/// Sends `body` on a new bi stream and reads the answer to its end.
pub async fn request(connection: Arc<Held>, max: usize, body: Bytes) -> Result<Bytes, Failure> {
    let opened = connection.quinn().open_bi().await;
    let (send, mut recv) = opened.map_err(|error| Failure::connection(&error))?;
    match Unfinished(Some(send)).write(body).await {
        // A peer may answer before it has read everything; the answer tells.
        Ok(()) | Err(WriteError::Stopped(_)) => {}
        Err(error) => return Err(Failure::write(&error)),
    }
    read_to_end(&mut recv, max).await
}

/// Over `max` the stream is stopped with code 0.
async fn read_to_end(recv: &mut RecvStream, max: usize) -> Result<Bytes, Failure> {
    let mut whole = Whole::new(max);
    loop {
        let mut batch: [Bytes; CHUNKS] = Default::default();
        match recv.read_chunks(&mut batch).await {
            Ok(Some(count)) => {
                if !whole.push(&mut batch[..count]) {
                    let _ = recv.stop(VarInt::from_u32(0));
                    return Err(Failure::too_long(max as u64));
                }
            }
            Ok(None) => return Ok(whole.finish()),
            Err(error) => return Err(Failure::read(&error)),
        }
    }
}

/// Reads each bi stream of the peer to its end and hands it to JavaScript, at most `concurrency` at once.
pub async fn serve(
    core: Arc<Core>,
    connection: Arc<Held>,
    sub: u32,
    max: usize,
    concurrency: usize,
) -> Result<(), Failure> {
    let permits = Arc::new(Semaphore::new(concurrency));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = permits.clone().acquire_owned().await else { return Ok(()) };
        let (send, mut recv) = match connection.quinn().accept_bi().await {
            Ok(streams) => streams,
            Err(error) => return crate::connection::over(&error),
        };
        let (core, connection) = (core.clone(), connection.clone());
        tokio::spawn(async move {
            // Dropped on failure: the stream resets and the permit is free again.
            let send = Unfinished(Some(send));
            if let Ok(body) = read_to_end(&mut recv, max).await {
                let responder = Responder { send, connection, _permit: permit };
                core.push(Event::item(sub, Aux::Object(Object::Responder(responder)), body));
                core.look();
            }
        });
    }
}

/// A request that waits for its answer. Dropped it resets the stream with code 0.
pub struct Responder {
    send: Unfinished,
    connection: Arc<Held>,
    _permit: OwnedSemaphorePermit,
}

impl Responder {
    /// What the request came on.
    pub fn connection(&self) -> &Arc<Held> {
        &self.connection
    }

    /// Writes the answer; at once if QUIC has room, which it nearly always has.
    pub fn respond(self, body: Bytes) {
        let Self { send, connection, _permit } = self;
        let mut write = Box::pin(async move {
            let _held = (connection, _permit);
            send.write(body).await
        });
        if write.as_mut().now_or_never().is_none() {
            tokio::spawn(write);
        }
    }

    /// Resets the stream with an application code.
    pub fn fail(self, code: u64) {
        self.send.reset(code);
    }
}
