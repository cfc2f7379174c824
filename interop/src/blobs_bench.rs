//! Transfers from directory store to directory store, for `bench/`.
//!
//! `blobs-bench provide [--reference] STORE PATH…` adds files and directories, prints
//! `{ticket, files, bytes, importMs}` and serves until its stdin ends. One file is offered as a
//! blob, anything else as a collection with names like those of `tar`.
//!
//! `blobs-bench receive TICKET STORE [EXPORT]` fetches what is missing and prints
//! `{bytes, otherBytes, openMs, connectMs, fetchMs, syncMs, exportMs?}`. `fetchMs` is from the
//! request to the last byte imported, `syncMs` from there to the commit of the database.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use iroh_blobs::api::Store;
use iroh_blobs::api::TempTag;
use iroh_blobs::api::blobs::{AddPathOptions, ImportMode};
use iroh_blobs::format::collection::Collection;
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::ticket::BlobTicket;
use iroh_blobs::{BlobFormat, HashAndFormat};
use n0_future::{BufferedStreamExt, StreamExt, stream};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::blobs_serve::plainly;
use crate::endpoint::builder;

/// Files that are imported or exported at a time.
const AT_ONCE: usize = 8;

/// Runs one side.
pub async fn run(arguments: Vec<String>) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["provide", "--reference", store, paths @ ..] => {
            provide(store, paths, ImportMode::TryReference).await
        }
        ["provide", store, paths @ ..] => provide(store, paths, ImportMode::Copy).await,
        ["receive", ticket, store] => receive(ticket, store, None).await,
        ["receive", ticket, store, export] => receive(ticket, store, Some(export)).await,
        _ => bail!("provide [--reference] STORE PATH… | receive TICKET STORE [EXPORT]"),
    }
}

async fn provide(directory: &str, paths: &[&str], mode: ImportMode) -> anyhow::Result<()> {
    let store = open(directory).await?;
    let started = Instant::now();
    let files = walk(paths)?;
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let count = files.len();
    let root = import(&store, files, mode).await?;
    let import_ms = ms(started);
    let endpoint = builder(0).map_err(plain)?.bind().await.map_err(plain)?;
    let router = plainly(endpoint.clone(), &store);
    let content = root.hash_and_format();
    let mut to = iroh::EndpointAddr::new(endpoint.id());
    for address in endpoint.bound_sockets() {
        to = to.with_ip_addr(address);
    }
    let ticket = BlobTicket::new(to, content.hash, content.format).to_string();
    print(&json!({ "ticket": ticket, "files": count, "bytes": bytes, "importMs": import_ms }));
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    // Shuts the store down too.
    router.shutdown().await?;
    Ok(())
}

async fn receive(ticket: &str, directory: &str, export: Option<&str>) -> anyhow::Result<()> {
    let ticket: BlobTicket = ticket.parse().map_err(plain)?;
    let started = Instant::now();
    let store = open(directory).await?;
    let endpoint = builder(0).map_err(plain)?.bind().await.map_err(plain)?;
    let open_ms = ms(started);
    let started = Instant::now();
    let connection =
        endpoint.connect(ticket.addr().clone(), iroh_blobs::ALPN).await.map_err(plain)?;
    let connect_ms = ms(started);
    let content = ticket.hash_and_format();
    let started = Instant::now();
    let stats = store.remote().fetch(connection.clone(), content).await.map_err(plain)?;
    let fetch_ms = ms(started);
    let started = Instant::now();
    store.sync_db().await.map_err(plain)?;
    let mut answer = json!({
        "bytes": stats.counters.payload_bytes_read,
        "otherBytes": stats.counters.other_bytes_read,
        "openMs": open_ms,
        "connectMs": connect_ms,
        "fetchMs": fetch_ms,
        "syncMs": ms(started),
    });
    let local = store.remote().local(content).await.map_err(plain)?;
    ensure!(local.is_complete(), "the fetch came off but the store is not complete");
    if let Some(target) = export {
        let started = Instant::now();
        export_all(&store, content, &absolute(target)?).await?;
        answer["exportMs"] = json!(ms(started));
    }
    print(&answer);
    connection.close(0u8.into(), b"done");
    endpoint.close().await;
    store.shutdown().await.map_err(plain)?;
    Ok(())
}

async fn open(directory: &str) -> anyhow::Result<Store> {
    Ok(FsStore::load(absolute(directory)?).await.map_err(plain)?.into())
}

/// A file to import.
struct File {
    name: String,
    path: PathBuf,
    bytes: u64,
}

/// All regular files below `paths`, by name.
fn walk(paths: &[&str]) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut open: Vec<(String, PathBuf)> = Vec::new();
    for path in paths {
        let path = absolute(path)?;
        let name = path.file_name().context("a path without a name")?;
        open.push((name.to_str().context("a name that is not UTF-8")?.to_owned(), path));
    }
    while let Some((name, path)) = open.pop() {
        let facts = std::fs::metadata(&path).with_context(|| path.display().to_string())?;
        if facts.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                let entry = entry?;
                let leaf = entry.file_name();
                let leaf = leaf.to_str().context("a name that is not UTF-8")?;
                open.push((format!("{name}/{leaf}"), entry.path()));
            }
        } else {
            files.push(File { name, path, bytes: facts.len() });
        }
    }
    ensure!(!files.is_empty(), "no files");
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

async fn import(store: &Store, files: Vec<File>, mode: ImportMode) -> anyhow::Result<TempTag> {
    let alone = files.len() == 1;
    let mut done: Vec<(String, TempTag)> = stream::iter(files)
        .map(|File { name, path, .. }| async move {
            let options = AddPathOptions { path, format: BlobFormat::Raw, mode };
            let tag = store.add_path_with_opts(options).temp_tag().await.map_err(plain)?;
            anyhow::Ok((name, tag))
        })
        .buffered_ordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<anyhow::Result<_>>()?;
    let root = if alone {
        done.remove(0).1
    } else {
        let collection: Collection =
            done.iter().map(|(name, tag)| (name.clone(), tag.hash())).collect();
        collection.store(store).await.map_err(plain)?
    };
    store.tags().create(root.hash_and_format()).await.map_err(plain)?;
    store.sync_db().await.map_err(plain)?;
    Ok(root)
}

/// Copies out: one blob to `target`, a collection to files below it.
async fn export_all(store: &Store, content: HashAndFormat, target: &Path) -> anyhow::Result<()> {
    let list = match content.format {
        BlobFormat::Raw => vec![(target.to_owned(), content.hash)],
        BlobFormat::HashSeq => Collection::load(content.hash, store)
            .await
            .map_err(plain)?
            .into_iter()
            // The names are our own, from `walk`.
            .map(|(name, hash)| (target.join(name), hash))
            .collect(),
    };
    stream::iter(list)
        .map(|(path, hash)| async move { store.export(hash, path).await.map_err(plain) })
        .buffered_ordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect::<anyhow::Result<Vec<u64>>>()?;
    Ok(())
}

fn absolute(path: &str) -> anyhow::Result<PathBuf> {
    Ok(std::path::absolute(path)?)
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn print(answer: &Value) {
    println!("{answer}");
}

/// The errors of the reference do not all come as `std::error::Error`.
fn plain(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}
