//! Commands that put content into a store.

use std::path::PathBuf;

use bytes::Bytes;
use iroh_blobs::api::Store;
use iroh_blobs::api::blobs::{AddBytesOptions, AddPathOptions, AddProgress, ImportMode};
use iroh_blobs::format::collection::Collection;
use iroh_blobs::hashseq::HashSeq;
use iroh_blobs::store::mem::MemStore;
use iroh_blobs::{BlobFormat, Hash, HashAndFormat};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blobs_request::{Chunks, Format, bitfield};
use crate::fault::Fault;
use crate::table::Table;

/// Where bytes come from: `{"hex": …}`, `{"pattern": bytes}` or `{"path": …}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Content {
    Hex(String),
    /// Byte i is i mod 251, the input of the public test vectors of BLAKE3.
    Pattern(u64),
    /// Absolute.
    Path(PathBuf),
}

/// What to add and how.
#[derive(Deserialize)]
pub struct Add {
    store: u32,
    content: Content,
    /// Absent: raw.
    format: Option<Format>,
    /// Absent: one that the store names.
    tag: Option<String>,
    /// A file stays where it is if the store can do that.
    #[serde(default)]
    reference: bool,
}

/// Adds content: `{hash, format, tag}`.
pub async fn add(table: &Table, add: Add) -> Result<Value, Fault> {
    let store = table.store(add.store)?;
    let format: BlobFormat = add.format.unwrap_or(Format::Raw).into();
    let progress = match add.content {
        Content::Path(path) => {
            let mode = if add.reference { ImportMode::TryReference } else { ImportMode::Copy };
            store.add_path_with_opts(AddPathOptions { path, format, mode })
        }
        other => store.add_bytes_with_opts(AddBytesOptions { data: other.bytes()?, format }),
    };
    tagged(progress, add.tag).await
}

/// Files by name.
#[derive(Deserialize)]
pub struct AddCollection {
    store: u32,
    files: Vec<File>,
    tag: Option<String>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    content: Content,
}

/// Adds content by name and a collection of it: `{hash, format, tag, hashes}`.
pub async fn add_collection(table: &Table, add: AddCollection) -> Result<Value, Fault> {
    let store = table.store(add.store)?;
    let mut collection = Collection::default();
    let mut held = Vec::new();
    for File { name, content } in add.files {
        let tag = match content {
            Content::Path(path) => store.add_path(path).temp_tag().await?,
            other => store.add_bytes(other.bytes()?).temp_tag().await?,
        };
        collection.push(name, tag.hash());
        held.push(tag);
    }
    let hashes: Vec<Hash> = collection.iter().map(|(_, hash)| *hash).collect();
    let root = collection.store(&store).await.map_err(Fault::store)?;
    let mut answer = keep(&store, root.hash_and_format(), add.tag).await?;
    answer["hashes"] = json!(hashes);
    Ok(answer)
}

/// Adds a sequence of hashes: `{hash, format, tag}`.
pub async fn add_hash_seq(
    store: &Store,
    hashes: Vec<Hash>,
    tag: Option<String>,
) -> Result<Value, Fault> {
    let data = hashes.into_iter().collect::<HashSeq>().into_inner();
    let format = BlobFormat::HashSeq;
    tagged(store.add_bytes_with_opts(AddBytesOptions { data, format }), tag).await
}

/// Content of which only some chunks come into the store.
#[derive(Deserialize)]
pub struct Import {
    store: u32,
    content: Content,
    chunks: Chunks,
}

/// Imports chunks with their proofs, as a getter would: `{hash, size, bitfield}`.
pub async fn import(table: &Table, import: Import) -> Result<Value, Fault> {
    let store = table.store(import.store)?;
    let bytes = import.content.bytes()?;
    let (size, chunks) = (bytes.len(), import.chunks.0);
    let whole = MemStore::new();
    let hash = whole.add_bytes(bytes).temp_tag().await?.hash();
    let encoded = whole.export_bao(hash, chunks.clone()).bao_to_vec().await?;
    store.import_bao_bytes(hash, chunks, encoded).await?;
    let present = store.observe(hash).await?;
    Ok(json!({ "hash": hash, "size": size, "bitfield": bitfield(&present) }))
}

impl Content {
    fn bytes(self) -> Result<Bytes, Fault> {
        match self {
            Self::Hex(hex) => crate::command::from_hex(&hex).map(Bytes::from),
            Self::Pattern(bytes) => pattern(bytes),
            Self::Path(path) => std::fs::read(path).map(Bytes::from).map_err(Fault::usage),
        }
    }
}

/// `bytes` of the pattern whose byte i is i mod 251.
pub fn pattern(bytes: u64) -> Result<Bytes, Fault> {
    let bytes = usize::try_from(bytes).map_err(Fault::usage)?;
    Ok((0..251).cycle().take(bytes).collect())
}

async fn tagged(progress: AddProgress<'_>, tag: Option<String>) -> Result<Value, Fault> {
    let (content, name) = match tag {
        Some(name) => (progress.with_named_tag(&name).await?, name),
        None => {
            let tag = progress.with_tag().await?;
            (tag.hash_and_format(), String::from_utf8_lossy(tag.name.as_ref()).into_owned())
        }
    };
    Ok(json!({ "hash": content.hash, "format": Format::name(content.format), "tag": name }))
}

async fn keep(store: &Store, content: HashAndFormat, tag: Option<String>) -> Result<Value, Fault> {
    let name = match tag {
        Some(name) => {
            store.tags().set(&name, content).await?;
            name
        }
        None => String::from_utf8_lossy(store.tags().create(content).await?.as_ref()).into_owned(),
    };
    Ok(json!({ "hash": content.hash, "format": Format::name(content.format), "tag": name }))
}
