//! W1: one bi stream, 64 KiB writes one way; the receiver counts and answers the count as u64, little-endian.

use std::time::Instant;

use quinn::{Connection, RecvStream, VarInt};
use serde_json::json;

use crate::{Failure, args::Args, dialer::Dialer, gate::Gate};

/// Bytes of a write, and of the reader's buffer.
pub const BLOCK: usize = 64 * 1024;
/// Bytes sent before the clock starts: congestion window and path MTU have grown by then.
const WARM_BYTES: u64 = 16 << 20;

/// Counts each stream of the peer until it closes.
pub async fn serve(connection: Connection, chunks: bool) -> Result<(), Failure> {
    while let Ok((mut send, mut recv)) = connection.accept_bi().await {
        let total = if chunks { count_chunks(&mut recv).await? } else { count(&mut recv).await? };
        send.write_all(&total.to_le_bytes()).await?;
        send.finish()?;
    }
    Ok(())
}

/// Bytes until the end, read into one buffer as an application does that wants them.
pub async fn count(recv: &mut RecvStream) -> Result<u64, Failure> {
    let mut buffer = vec![0; BLOCK];
    let mut total = 0;
    while let Some(read) = recv.read(&mut buffer).await? {
        total += read as u64;
    }
    Ok(total)
}

/// Bytes until the end, taken as quinn's own chunks and dropped.
async fn count_chunks(recv: &mut RecvStream) -> Result<u64, Failure> {
    let mut total = 0;
    while let Some(chunk) = recv.read_chunk(usize::MAX, true).await? {
        total += chunk.bytes.len() as u64;
    }
    Ok(total)
}

/// Sends `bytes`, then returns the first 8 to 24 bytes of the answer.
pub async fn send(connection: &Connection, bytes: u64) -> Result<Vec<u8>, Failure> {
    let block = vec![0x67; BLOCK];
    let (mut send, mut recv) = connection.open_bi().await?;
    let mut left = bytes;
    while left > 0 {
        let length = left.min(BLOCK as u64) as usize;
        send.write_all(&block[..length]).await?;
        left -= length as u64;
    }
    send.finish()?;
    Ok(recv.read_to_end(24).await?)
}

async fn send_counted(connection: &Connection, bytes: u64) -> Result<(), Failure> {
    let answer = send(connection, bytes).await?;
    if answer != bytes.to_le_bytes() {
        return Err(format!("the receiver counted {answer:?}, not {bytes}").into());
    }
    Ok(())
}

/// Figures: `bytes`, `perSecond` in bytes.
pub async fn run(dialer: Dialer, gate: &mut Gate, args: &Args) -> Result<(), Failure> {
    let connection = dialer.connect().await?;
    send_counted(&connection, WARM_BYTES).await?;
    let run = gate.ready().await?;
    let started = Instant::now();
    send_counted(&connection, args.bytes).await?;
    let per_second = args.bytes as f64 / started.elapsed().as_secs_f64();
    gate.result(&run, json!({ "bytes": args.bytes, "perSecond": per_second })).await?;
    connection.close(VarInt::from_u32(0), b"");
    Ok(())
}
