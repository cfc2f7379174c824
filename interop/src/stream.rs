//! Commands on stream halves.

use bytes::Bytes;
use iroh::endpoint::{RecvStream, SendStream, VarInt};
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::pattern::{Pattern, Tally};
use crate::table::Half;

/// Bytes of one read.
const CHUNK: usize = 64 * 1024;

/// Writes all of `bytes`; waits for credit.
pub async fn write(half: &Half<SendStream>, bytes: &[u8]) -> Result<(), Fault> {
    let mut stream = half.stream.lock().await;
    tokio::select! {
        done = stream.write_all(bytes) => Ok(done?),
        () = half.cut.notified() => Err(Fault::new("stream-closed", "cut off by a reset")),
    }
}

/// Writes `bytes` of the pattern and answers with their count and hash.
pub async fn write_pattern(half: &Half<SendStream>, bytes: u64, seed: u8) -> Result<Value, Fault> {
    let (pattern, mut tally, mut offset) = (Pattern::new(seed), Tally::new(), 0);
    let mut stream = half.stream.lock().await;
    while offset < bytes {
        let chunk: Bytes = pattern.at(offset, bytes - offset);
        tokio::select! {
            done = stream.write_all(&chunk) => done?,
            () = half.cut.notified() => return Err(Fault::new("stream-closed", "cut off by a reset")),
        }
        tally.add(&chunk);
        offset += chunk.len() as u64;
    }
    Ok(tally.finish())
}

/// Resets, even while a write waits.
pub async fn reset(half: &Half<SendStream>, code: VarInt) -> Result<(), Fault> {
    half.cut.notify_one();
    half.stream.lock().await.reset(code).map_err(Fault::closed_stream)
}

/// `null` once all is acknowledged, the code if the other side stopped reading.
pub async fn stopped(half: &Half<SendStream>) -> Result<Value, Fault> {
    let stopped = half.stream.lock().await.stopped();
    Ok(json!(stopped.await?.map(|code| code.into_inner().to_string())))
}

/// Some bytes as hex, `null` at the end.
pub async fn read(half: &Half<RecvStream>, max_bytes: usize) -> Result<Value, Fault> {
    let mut stream = half.stream.lock().await;
    let chunk = tokio::select! {
        chunk = stream.read_chunk(max_bytes) => chunk?,
        () = half.cut.notified() => return Err(Fault::new("stream-closed", "cut off by a stop")),
    };
    Ok(json!(chunk.map(|bytes| data_encoding::HEXLOWER.encode(&bytes))))
}

/// Reads to the end and answers with count and hash.
pub async fn read_to_end(half: &Half<RecvStream>) -> Result<Value, Fault> {
    let mut stream = half.stream.lock().await;
    let mut tally = Tally::new();
    loop {
        let chunk = tokio::select! {
            chunk = stream.read_chunk(CHUNK) => chunk?,
            () = half.cut.notified() => return Err(Fault::new("stream-closed", "cut off by a stop")),
        };
        match chunk {
            Some(bytes) => tally.add(&bytes),
            None => return Ok(tally.finish()),
        }
    }
}

/// Stops, even while a read waits.
pub async fn stop(half: &Half<RecvStream>, code: VarInt) -> Result<(), Fault> {
    half.cut.notify_one();
    half.stream.lock().await.stop(code).map_err(Fault::closed_stream)
}

/// The code of a reset, `null` if the stream ended well.
pub async fn reset_received(half: &Half<RecvStream>) -> Result<Value, Fault> {
    let code = half.stream.lock().await.received_reset().await?;
    Ok(json!(code.map(|code| code.into_inner().to_string())))
}
