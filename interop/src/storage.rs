//! The Rust half of `examples/storage-service.ts`: the same service and the same client, with irpc.
//!
//! `gaiwan-interop-peer storage serve` prints its id and address and serves until its stdin ends;
//! `… storage call ID ADDRESS` calls a service there, in Rust or in TypeScript.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use iroh::EndpointAddr;
use iroh::protocol::Router;
use irpc::channel::{mpsc, oneshot};
use irpc::{Client, rpc_requests};
use irpc_iroh::IrohProtocol;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::endpoint::builder;

pub const ALPN: &[u8] = b"example/storage/1";

const MAX_VALUE_BYTES: usize = 1_024;

#[derive(Debug, Serialize, Deserialize)]
pub struct Get {
    key: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Set {
    key: String,
    value: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct List {
    prefix: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SetMany;

#[derive(Debug, Serialize, Deserialize)]
pub struct Lookup;

#[derive(Debug, Serialize, Deserialize)]
pub struct Clear;

/// Why a value is not stored.
#[derive(Debug, Serialize, Deserialize)]
pub enum Refusal {
    EmptyKey,
    TooLong { max_bytes: u32 },
}

/// The order of the variants is the wire: add at the end only.
#[rpc_requests(message = StorageMessage, no_spans)]
#[derive(Debug, Serialize, Deserialize)]
pub enum StorageProtocol {
    #[rpc(tx = oneshot::Sender<Option<String>>)]
    Get(Get),
    #[rpc(tx = oneshot::Sender<Result<(), Refusal>>)]
    Set(Set),
    #[rpc(tx = mpsc::Sender<(String, String)>)]
    List(List),
    #[rpc(rx = mpsc::Receiver<(String, String)>, tx = oneshot::Sender<u64>)]
    SetMany(SetMany),
    #[rpc(rx = mpsc::Receiver<String>, tx = mpsc::Sender<Option<String>>)]
    Lookup(Lookup),
    #[rpc()]
    Clear(Clear),
}

type Shelf = Arc<Mutex<BTreeMap<String, String>>>;

/// The service, to be accepted by a router.
pub fn serve() -> IrohProtocol<StorageProtocol> {
    let shelf = Shelf::default();
    let (sender, mut inbox) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Some(message) = inbox.recv().await {
            // Done here, so that what is called after it comes after it.
            if let StorageMessage::Clear(_) = message {
                shelf.lock().expect("never poisoned").clear();
            } else {
                tokio::spawn(handle(shelf.clone(), message));
            }
        }
    });
    IrohProtocol::with_sender(sender)
}

/// Ends early once the client is gone.
async fn handle(shelf: Shelf, message: StorageMessage) -> Option<()> {
    let get = |key: &str| shelf.lock().expect("never poisoned").get(key).cloned();
    match message {
        StorageMessage::Get(call) => call.tx.send(get(&call.inner.key)).await.ok(),
        StorageMessage::Set(call) => {
            let Set { key, value } = call.inner;
            call.tx.send(store(&shelf, key, value)).await.ok()
        }
        StorageMessage::List(call) => {
            let rows = shelf.lock().expect("never poisoned").clone();
            for row in rows.into_iter().filter(|(key, _)| key.starts_with(&call.inner.prefix)) {
                call.tx.send(row).await.ok()?;
            }
            Some(())
        }
        StorageMessage::SetMany(mut call) => {
            let mut stored = 0;
            while let Some((key, value)) = call.rx.recv().await.ok()? {
                stored += u64::from(store(&shelf, key, value).is_ok());
            }
            call.tx.send(stored).await.ok()
        }
        StorageMessage::Lookup(mut call) => {
            while let Some(key) = call.rx.recv().await.ok()? {
                call.tx.send(get(&key)).await.ok()?;
            }
            Some(())
        }
        StorageMessage::Clear(_) => None,
    }
}

fn store(shelf: &Shelf, key: String, value: String) -> Result<(), Refusal> {
    if key.is_empty() {
        return Err(Refusal::EmptyKey);
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(Refusal::TooLong { max_bytes: MAX_VALUE_BYTES as u32 });
    }
    shelf.lock().expect("never poisoned").insert(key, value);
    Ok(())
}

/// Runs one side.
pub async fn run(arguments: Vec<String>) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let endpoint = builder(0).map_err(plain)?.bind().await?;
    match words.as_slice() {
        ["serve"] => {
            let router = Router::builder(endpoint.clone()).accept(ALPN, serve()).spawn();
            let address = endpoint.bound_sockets().first().copied().context("no socket")?;
            println!("serving at {} {address}", endpoint.id());
            tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
            router.shutdown().await?;
        }
        ["call", id, address] => {
            let to = EndpointAddr::new(id.parse()?).with_ip_addr(address.parse()?);
            call(&irpc_iroh::client(endpoint.clone(), to, ALPN)).await?;
            endpoint.close().await;
        }
        _ => bail!("serve | call ID ADDRESS"),
    }
    Ok(())
}

/// Calls every method, and says what the TypeScript client says.
async fn call(client: &Client<StorageProtocol>) -> anyhow::Result<()> {
    let set = |key: &str, value: &str| client.rpc(Set { key: key.into(), value: value.into() });
    let said = set("sencha", "70 °C").await?;
    println!("set sencha: {}", if said.is_ok() { "stored" } else { "refused" });
    if let Err(Refusal::EmptyKey) = set("", "boiling").await? {
        println!("set without a key: refused, EmptyKey");
    }
    if let Err(Refusal::TooLong { max_bytes }) = set("novel", &"x".repeat(2_000)).await? {
        println!("set a novel: refused, at most {max_bytes} bytes");
    }
    let get = |key: &str| client.rpc(Get { key: key.into() });
    println!("get sencha: {}", get("sencha").await?.as_deref().unwrap_or("nothing"));
    println!("get coffee: {}", get("coffee").await?.as_deref().unwrap_or("nothing"));

    let (rows, stored) = client.client_streaming(SetMany, 4).await?;
    for (key, value) in [("oolong", "85 °C"), ("assam", "95 °C"), ("", "boiling")] {
        rows.send((key.into(), value.into())).await?;
    }
    drop(rows);
    println!("set many: {} of 3 stored", stored.await?);

    let mut list = client.server_streaming(List { prefix: String::new() }, 4).await?;
    let mut keys = Vec::new();
    while let Some((key, _)) = list.recv().await? {
        keys.push(key);
    }
    println!("list: {}", keys.join(", "));

    let (keys, mut values) = client.bidi_streaming(Lookup, 4, 4).await?;
    for key in ["assam", "coffee", "oolong"] {
        keys.send(key.into()).await?;
        let value = values.recv().await?.context("the answers have ended")?;
        println!("lookup {key}: {}", value.as_deref().unwrap_or("nothing"));
    }
    drop(keys);

    client.notify(Clear).await?;
    println!("after clear: {}", get("sencha").await?.as_deref().unwrap_or("nothing"));
    Ok(())
}

fn plain(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}
