//! W5: datagrams of 1,200 bytes. The sender goes on while its send buffer (1 MiB) has room and waits when it has none,
//! so nothing is dropped before it was sent; the receiver counts, from its first datagram to its last.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use quinn::{Connection, SendDatagramError, VarInt};
use serde_json::json;

use super::stream;
use crate::{Failure, args::Args, dialer::Dialer, gate::Gate};

/// Bytes of a datagram.
const SIZE: usize = 1_200;
/// How long datagrams flow before the clock starts.
const WARM: Duration = Duration::from_millis(500);
/// Bytes of a stream that gives the path MTU discovery something to do.
const PROBE_BYTES: u64 = 1 << 20;
/// From an empty send buffer to the question: what is on its way arrives.
const SETTLE: Duration = Duration::from_millis(100);

/// What came since the last question.
#[derive(Default)]
struct Arrived {
    count: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

/// Counts datagrams; answers each stream with its length, the count and the nanoseconds from first to last
/// (three u64, little-endian), and starts anew.
pub async fn serve(connection: Connection) -> Result<(), Failure> {
    let arrived = Arc::new(Mutex::new(Arrived::default()));
    tokio::spawn(count(connection.clone(), arrived.clone()));
    while let Ok((mut send, mut recv)) = connection.accept_bi().await {
        let length = stream::count(&mut recv).await?;
        let taken = std::mem::take(&mut *arrived.lock().map_err(|_| "the counting task died")?);
        let nanos = match (taken.first, taken.last) {
            (Some(first), Some(last)) => (last - first).as_nanos() as u64,
            _ => 0,
        };
        let answer = [length, taken.count, nanos].map(u64::to_le_bytes).concat();
        send.write_all(&answer).await?;
        send.finish()?;
    }
    Ok(())
}

async fn count(connection: Connection, arrived: Arc<Mutex<Arrived>>) {
    while let Ok(datagram) = connection.read_datagram().await {
        let now = Instant::now();
        let Ok(mut arrived) = arrived.lock() else { return };
        arrived.count += u64::from(datagram.len() == SIZE);
        arrived.first.get_or_insert(now);
        arrived.last = Some(now);
    }
}

/// Asks what arrived: count and seconds from first to last.
async fn ask(connection: &Connection, bytes: u64) -> Result<(u64, f64), Failure> {
    let answer = stream::send(connection, bytes).await?;
    let word = |at: usize| Some(u64::from_le_bytes(answer.get(at..at + 8)?.try_into().ok()?));
    let (count, nanos) = word(8).zip(word(16)).ok_or("the answer is not three words")?;
    Ok((count, nanos as f64 / 1e9))
}

/// Sends for `time`; how many, and what of it arrived in how many seconds.
async fn flow(connection: &Connection, time: Duration) -> Result<(u64, u64, f64), Failure> {
    let datagram = Bytes::from(vec![0x67; SIZE]);
    let room = connection.datagram_send_buffer_space();
    let end = Instant::now() + time;
    let mut sent = 0;
    while sent % 64 != 0 || Instant::now() < end {
        match connection.send_datagram_wait(datagram.clone()).await {
            // The path MTU fell below a datagram for a moment; the next ones go through or fail the count.
            Err(SendDatagramError::TooLarge) => tokio::task::yield_now().await,
            other => other?,
        }
        sent += 1;
    }
    while connection.datagram_send_buffer_space() < room {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(SETTLE).await;
    let (count, seconds) = ask(connection, 1).await?;
    Ok((sent, count, seconds))
}

/// Figures: `sent`, `count` (received), `perSecond` at the receiver.
pub async fn run(dialer: Dialer, gate: &mut Gate, args: &Args) -> Result<(), Failure> {
    let connection = dialer.connect().await?;
    for _ in 0..1_000 {
        if connection.max_datagram_size().is_some_and(|size| size >= SIZE) {
            break;
        }
        ask(&connection, PROBE_BYTES).await?;
    }
    flow(&connection, WARM).await?;
    let run = gate.ready().await?;
    let (sent, count, seconds) = flow(&connection, args.seconds).await?;
    let figures = json!({ "sent": sent, "count": count, "perSecond": count as f64 / seconds });
    gate.result(&run, figures).await?;
    connection.close(VarInt::from_u32(0), b"");
    Ok(())
}
