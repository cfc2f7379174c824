//! Calls between two processes, for `bench/`.
//!
//! `rpc-bench serve` prints `{id, address}` and serves until its stdin ends. `rpc-bench call ID ADDRESS CASE MS` calls for MS
//! and prints `{case, items, bytes, ms, perSecond, lost}`, where `lost` counts runs that ended with their connection. The
//! cases: `unary`, 16 bytes there and back, one after another; `parallel`, 64 of these at once; `stream`, a server stream of
//! u64; `bidi`, u64 there and back, at most 1,024 under way; `mebibyte`, requests of 1 MiB that are answered with their
//! length. Either side may be another program, given the service below.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use iroh::EndpointAddr;
use iroh::protocol::Router;
use irpc::channel::{mpsc, oneshot};
use irpc::{Client, rpc_requests};
use irpc_iroh::IrohProtocol;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::endpoint::builder;

pub const ALPN: &[u8] = b"gaiwan/bench/1";

const SMALL: usize = 16;
const LARGE: usize = 1 << 20;
const PARALLEL: usize = 64;
/// Updates of `bidi` that are not answered yet, at most. Without a bound the tiny packets of one write each overrun the
/// receiver's socket, and noq ends the connection with "too many gaps in stream buffer" (seen with 1.4.0 at both ends).
const IN_FLIGHT: usize = 1_024;
/// A server stream, which has no such bound, meets that end too on a busy machine; then it is measured again.
const ATTEMPTS: u32 = 5;

/// Comes back as it is. `serde_bytes` is the fast way in Rust, with the bytes of a plain `Vec<u8>`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Echo(#[serde(with = "serde_bytes")] pub Vec<u8>);
/// Is answered with its length.
#[derive(Debug, Serialize, Deserialize)]
pub struct Put(#[serde(with = "serde_bytes")] pub Vec<u8>);
/// Numbers from 0, so many.
#[derive(Debug, Serialize, Deserialize)]
pub struct Count(pub u64);
/// Each number comes back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Mirror;

#[rpc_requests(message = BenchMessage, no_spans)]
#[derive(Debug, Serialize, Deserialize)]
pub enum BenchProtocol {
    #[rpc(tx = oneshot::Sender<serde_bytes::ByteBuf>)]
    Echo(Echo),
    #[rpc(tx = oneshot::Sender<u64>)]
    Put(Put),
    #[rpc(tx = mpsc::Sender<u64>)]
    Count(Count),
    #[rpc(rx = mpsc::Receiver<u64>, tx = mpsc::Sender<u64>)]
    Mirror(Mirror),
}

/// The service, as an irpc server is usually written: a loop that starts each handler.
pub fn protocol() -> IrohProtocol<BenchProtocol> {
    let (sender, mut inbox) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        while let Some(message) = inbox.recv().await {
            tokio::spawn(handle(message));
        }
    });
    IrohProtocol::with_sender(sender)
}

/// Ends early once the client is gone.
async fn handle(message: BenchMessage) -> Option<()> {
    match message {
        BenchMessage::Echo(call) => {
            call.tx.send(serde_bytes::ByteBuf::from(call.inner.0)).await.ok()
        }
        BenchMessage::Put(call) => call.tx.send(call.inner.0.len() as u64).await.ok(),
        BenchMessage::Count(call) => {
            for number in 0..call.inner.0 {
                call.tx.send(number).await.ok()?;
            }
            Some(())
        }
        BenchMessage::Mirror(mut call) => {
            while let Some(number) = call.rx.recv().await.ok()? {
                call.tx.send(number).await.ok()?;
            }
            Some(())
        }
    }
}

/// Runs one side.
pub async fn run(arguments: Vec<String>) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => serve().await,
        ["call", id, address, case, ms] => {
            let to = EndpointAddr::new(id.parse()?).with_ip_addr(address.parse()?);
            call(to, case, Duration::from_millis(ms.parse()?)).await
        }
        _ => bail!("serve | call ID ADDRESS unary|parallel|stream|bidi|mebibyte MS"),
    }
}

async fn serve() -> anyhow::Result<()> {
    let endpoint = builder(0).map_err(plain)?.bind().await?;
    let router = Router::builder(endpoint.clone()).accept(ALPN, protocol()).spawn();
    let address = endpoint.bound_sockets().first().copied().context("no socket")?;
    print(&json!({ "id": endpoint.id().to_string(), "address": address })).await?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    router.shutdown().await?;
    Ok(())
}

/// What one run counted.
struct Run {
    items: u64,
    bytes: u64,
    took: Duration,
}

async fn call(to: EndpointAddr, case: &str, window: Duration) -> anyhow::Result<()> {
    let endpoint = builder(0).map_err(plain)?.bind().await?;
    let client: Client<BenchProtocol> = irpc_iroh::client(endpoint.clone(), to, ALPN);
    // Dials, which is not measured.
    client.rpc(Echo(vec![0; SMALL])).await?;
    let mut lost = 0;
    let run = loop {
        match measure(&client, case, window).await {
            Ok(run) => break run,
            Err(error) if lost == ATTEMPTS => return Err(error),
            Err(_) => lost += 1,
        }
    };
    let seconds = run.took.as_secs_f64();
    print(&json!({
        "case": case, "items": run.items, "bytes": run.bytes, "ms": seconds * 1e3,
        "perSecond": run.items as f64 / seconds, "lost": lost,
    }))
    .await?;
    endpoint.close().await;
    Ok(())
}

async fn measure(
    client: &Client<BenchProtocol>,
    case: &str,
    window: Duration,
) -> anyhow::Result<Run> {
    match case {
        "unary" => unary(client, 1, window).await,
        "parallel" => unary(client, PARALLEL, window).await,
        "stream" => stream(client, window).await,
        "bidi" => bidi(client, window).await,
        "mebibyte" => mebibyte(client, window).await,
        other => bail!("no case {other}"),
    }
}

async fn unary(
    client: &Client<BenchProtocol>,
    parallel: usize,
    window: Duration,
) -> anyhow::Result<Run> {
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..parallel {
        let client = client.clone();
        workers.spawn(async move {
            let mut calls = 0;
            while begun.elapsed() < window {
                client.rpc(Echo(vec![7; SMALL])).await?;
                calls += 1;
            }
            anyhow::Ok(calls)
        });
    }
    let mut items = 0;
    while let Some(calls) = workers.join_next().await {
        items += calls??;
    }
    Ok(Run { items, bytes: items * SMALL as u64, took: begun.elapsed() })
}

async fn stream(client: &Client<BenchProtocol>, window: Duration) -> anyhow::Result<Run> {
    let begun = Instant::now();
    let mut answers = client.server_streaming(Count(u64::MAX), 64).await?;
    let mut items = 0;
    // The clock is dearer than an item.
    while items % 256 != 0 || begun.elapsed() < window {
        answers.recv().await?.context("the stream has ended")?;
        items += 1;
    }
    Ok(Run { items, bytes: 0, took: begun.elapsed() })
}

async fn bidi(client: &Client<BenchProtocol>, window: Duration) -> anyhow::Result<Run> {
    let begun = Instant::now();
    let (updates, mut answers) = client.bidi_streaming(Mirror, 64, 64).await?;
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let answered = room.clone();
    let sending = tokio::spawn(async move {
        let mut number = 0;
        while number % 256 != 0 || begun.elapsed() < window {
            room.acquire().await?.forget();
            updates.send(number).await?;
            number += 1;
        }
        anyhow::Ok(number)
    });
    let mut items = 0;
    while answers.recv().await?.is_some() {
        answered.add_permits(1);
        items += 1;
    }
    let sent = sending.await??;
    if sent != items {
        bail!("{items} of {sent} came back");
    }
    Ok(Run { items, bytes: 0, took: begun.elapsed() })
}

async fn mebibyte(client: &Client<BenchProtocol>, window: Duration) -> anyhow::Result<Run> {
    let begun = Instant::now();
    let mut items = 0;
    while begun.elapsed() < window {
        let length = client.rpc(Put(vec![7; LARGE])).await?;
        if length != LARGE as u64 {
            bail!("{length} bytes arrived");
        }
        items += 1;
    }
    Ok(Run { items, bytes: items * LARGE as u64, took: begun.elapsed() })
}

async fn print(line: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = tokio::io::stdout();
    out.write_all(format!("{line}\n").as_bytes()).await?;
    out.flush().await?;
    Ok(())
}

fn plain(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}
