//! W4: what an idle connection keeps in memory. The growth of resident memory is read by both processes;
//! 100 connections are open before the first reading, so that what is made once is not counted.

use std::time::Duration;

use quinn::Connection;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{Failure, args::Args, dialer::Dialer, gate::Gate};

/// Connections before the first reading.
const WARM: usize = 100;
/// Dials under way.
const LANES: usize = 16;
/// Idle time before the second reading: acknowledgements and path MTU probes are over by then.
const SETTLE: Duration = Duration::from_secs(2);

/// Holds the connection until the peer closes it.
pub async fn serve(connection: Connection) -> Result<(), Failure> {
    connection.closed().await;
    Ok(())
}

async fn open(dialer: &Dialer, count: usize) -> Result<Vec<Connection>, Failure> {
    let mut tasks = JoinSet::<Result<Vec<Connection>, Failure>>::new();
    for lane in 0..LANES {
        let dialer = dialer.clone();
        tasks.spawn(async move {
            let mut open = Vec::new();
            for _ in (lane..count).step_by(LANES) {
                open.push(dialer.connect().await?);
            }
            Ok(open)
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(lane) = tasks.join_next().await {
        all.extend(lane??);
    }
    tokio::time::sleep(SETTLE).await;
    Ok(all)
}

/// Figures: `connections`; the growth itself is `rssGrowthBytes` of the result.
pub async fn run(dialer: Dialer, gate: &mut Gate, args: &Args) -> Result<(), Failure> {
    let warm = open(&dialer, WARM).await?;
    let run = gate.ready().await?;
    let measured = open(&dialer, args.connections).await?;
    gate.result(&run, json!({ "connections": measured.len() })).await?;
    drop((warm, measured));
    Ok(())
}
