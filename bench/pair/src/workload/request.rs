//! W2: a new bi stream for each request, 100 bytes each way; each lane has one request under way.

use std::time::{Duration, Instant};

use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::task::JoinSet;

use crate::{Failure, args::Args, dialer::Dialer, gate, gate::Gate};

/// Bytes of a request and of its answer.
const BODY: usize = 100;
/// How long the lanes run before the clock starts.
const WARM: Duration = Duration::from_millis(500);

/// Echoes each stream in a task of its own until the peer closes.
pub async fn serve(connection: Connection) -> Result<(), Failure> {
    while let Ok((send, recv)) = connection.accept_bi().await {
        tokio::spawn(async move {
            // Whoever dialed counts the answers, so a lost one is reported there.
            let _ = echo(send, recv).await;
        });
    }
    Ok(())
}

/// Reads to the end, sends the same back.
pub async fn echo(mut send: SendStream, mut recv: RecvStream) -> Result<(), Failure> {
    let body = recv.read_to_end(1024).await?;
    send.write_all(&body).await?;
    Ok(send.finish()?)
}

/// One request of `body`; checks the length of the answer.
pub async fn ask(connection: &Connection, body: &[u8]) -> Result<(), Failure> {
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(body).await?;
    send.finish()?;
    let answer = recv.read_to_end(1024).await?;
    if answer.len() != body.len() {
        return Err(format!("{} bytes came back, not {}", answer.len(), body.len()).into());
    }
    Ok(())
}

/// Runs `lanes` lanes for `time`; nanoseconds of each request.
async fn lanes(connection: &Connection, lanes: usize, time: Duration) -> Result<Vec<u64>, Failure> {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::<Result<Vec<u64>, Failure>>::new();
    for _ in 0..lanes {
        let connection = connection.clone();
        tasks.spawn(async move {
            let body = [0x67; BODY];
            let mut nanos = Vec::with_capacity(1 << 16);
            let mut started = Instant::now();
            while started < end {
                ask(&connection, &body).await?;
                let now = Instant::now();
                nanos.push((now - started).as_nanos() as u64);
                started = now;
            }
            Ok(nanos)
        });
    }
    let mut all = Vec::new();
    while let Some(lane) = tasks.join_next().await {
        all.extend(lane??);
    }
    Ok(all)
}

/// Figures: those of [`gate::rate`].
pub async fn run(dialer: Dialer, gate: &mut Gate, args: &Args) -> Result<(), Failure> {
    let connection = dialer.connect().await?;
    lanes(&connection, args.in_flight, WARM).await?;
    let run = gate.ready().await?;
    let started = Instant::now();
    let nanos = lanes(&connection, args.in_flight, args.seconds).await?;
    let seconds = started.elapsed().as_secs_f64();
    gate.result(&run, gate::rate(nanos, seconds)).await?;
    connection.close(VarInt::from_u32(0), b"");
    Ok(())
}
