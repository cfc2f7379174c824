//! Messages in one direction between two processes, for `bench/`.
//!
//! `gossip-bench receive MS` prints `{id, address}`, then counts what comes in the MS after the first message and prints
//! `{received, lagged, bytes, ms}`. `gossip-bench send ID ADDRESS BYTES` joins there and broadcasts as fast as it is
//! let, each content different, until its stdin ends; then it prints `{sent}`.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use iroh::address_lookup::memory::MemoryLookup;
use iroh::protocol::Router;
use iroh::{EndpointAddr, EndpointId};
use iroh_gossip::TopicId;
use iroh_gossip::api::Event;
use iroh_gossip::net::Gossip;
use n0_future::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::endpoint::builder;

const TOPIC: TopicId = TopicId::from_bytes([7; 32]);

/// Runs one side.
pub async fn run(arguments: Vec<String>) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["receive", ms] => receive(Duration::from_millis(ms.parse()?)).await,
        ["send", id, address, bytes] => {
            let to = EndpointAddr::new(id.parse()?).with_ip_addr(address.parse()?);
            send(to, bytes.parse()?).await
        }
        _ => bail!("receive MS | send ID ADDRESS BYTES"),
    }
}

async fn start() -> anyhow::Result<(iroh::Endpoint, MemoryLookup, Gossip, Router)> {
    let endpoint = builder(0).map_err(plain)?.bind().await.map_err(plain)?;
    let lookup = MemoryLookup::new();
    endpoint.address_lookup().map_err(plain)?.add(lookup.clone());
    let gossip = Gossip::builder().spawn(endpoint.clone());
    let router =
        Router::builder(endpoint.clone()).accept(iroh_gossip::ALPN, gossip.clone()).spawn();
    Ok((endpoint, lookup, gossip, router))
}

async fn receive(window: Duration) -> anyhow::Result<()> {
    let (endpoint, _lookup, gossip, router) = start().await?;
    let mut topic = gossip.subscribe(TOPIC, vec![]).await.map_err(plain)?;
    let address = endpoint.bound_sockets().first().copied().context("no socket")?;
    print(&json!({ "id": endpoint.id().to_string(), "address": address })).await?;
    let (mut received, mut lagged, mut bytes) = (0_u64, 0_u64, 0_u64);
    let mut first = None;
    while let Some(event) = topic.next().await {
        match event.map_err(plain)? {
            Event::Received(message) => {
                let started = *first.get_or_insert_with(Instant::now);
                if started.elapsed() > window {
                    break;
                }
                received += 1;
                bytes += message.content.len() as u64;
            }
            Event::Lagged => lagged += 1,
            Event::NeighborUp(_) | Event::NeighborDown(_) => {}
        }
    }
    let ms = first.map_or(0.0, |first| first.elapsed().as_secs_f64() * 1e3);
    print(&json!({ "received": received, "lagged": lagged, "bytes": bytes, "ms": ms })).await?;
    router.shutdown().await?;
    Ok(())
}

async fn send(to: EndpointAddr, bytes: usize) -> anyhow::Result<()> {
    let (_endpoint, lookup, gossip, _router) = start().await?;
    let id: EndpointId = to.id;
    lookup.add_endpoint_info(to);
    let topic = gossip.subscribe_and_join(TOPIC, vec![id]).await.map_err(plain)?;
    let (sender, mut events) = topic.split();
    // Read, so that nothing waits for this side.
    tokio::spawn(async move { while let Some(Ok(_)) = events.next().await {} });
    let mut end = tokio::spawn(async { tokio::io::stdin().read_to_end(&mut Vec::new()).await });
    let mut sent = 0_u64;
    while !end.is_finished() {
        let mut content = vec![0; bytes.max(8)];
        content[..8].copy_from_slice(&sent.to_le_bytes());
        tokio::select! {
            _ = &mut end => break,
            done = sender.broadcast(Bytes::from(content)) => done.map_err(plain)?,
        }
        sent += 1;
    }
    print(&json!({ "sent": sent })).await?;
    // The receiver may be gone, so nothing is worth a farewell.
    std::process::exit(0);
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
