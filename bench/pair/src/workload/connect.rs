//! W3: dial, full mutual handshake, echo of one byte, close; each lane has one under way.

use std::time::{Duration, Instant};

use quinn::{Connection, VarInt};
use tokio::task::JoinSet;

use super::request;
use crate::{Failure, args::Args, dialer::Dialer, gate, gate::Gate};

/// How long the lanes run before the clock starts.
const WARM: Duration = Duration::from_millis(500);

/// Echoes one stream, then holds the connection until the peer closes it.
pub async fn serve(connection: Connection) -> Result<(), Failure> {
    let (send, recv) = connection.accept_bi().await?;
    request::echo(send, recv).await?;
    connection.closed().await;
    Ok(())
}

async fn lanes(dialer: &Dialer, lanes: usize, time: Duration) -> Result<Vec<u64>, Failure> {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::<Result<Vec<u64>, Failure>>::new();
    for _ in 0..lanes {
        let dialer = dialer.clone();
        tasks.spawn(async move {
            let mut nanos = Vec::with_capacity(1 << 12);
            let mut started = Instant::now();
            while started < end {
                let connection = dialer.connect().await?;
                request::ask(&connection, &[0x67]).await?;
                connection.close(VarInt::from_u32(0), b"");
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
    lanes(&dialer, args.in_flight, WARM).await?;
    let run = gate.ready().await?;
    let started = Instant::now();
    let nanos = lanes(&dialer, args.in_flight, args.seconds).await?;
    let seconds = started.elapsed().as_secs_f64();
    gate.result(&run, gate::rate(nanos, seconds)).await
}
