//! Commands that read from a store.

use iroh_blobs::Hash;
use iroh_blobs::api::Store;
use iroh_blobs::api::blobs::{BlobStatus, EncodedItem};
use iroh_blobs::format::collection::Collection;
use iroh_blobs::protocol::ChunkRanges;
use n0_future::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blobs_request::{self, Chunks};
use crate::command::to_hex;
use crate::fault::Fault;
use crate::table::Table;

/// Which chunks to read.
#[derive(Deserialize)]
pub struct Get {
    store: u32,
    hash: Hash,
    /// Absent: all.
    chunks: Option<Chunks>,
    /// Whether to answer with the bytes too.
    #[serde(default)]
    hex: bool,
}

/// Bytes that went by: their count, their BLAKE3 and, if wanted, themselves.
pub struct Sum {
    count: u64,
    hasher: blake3::Hasher,
    kept: Option<Vec<u8>>,
}

impl Sum {
    pub fn new(keep: bool) -> Self {
        Self { count: 0, hasher: blake3::Hasher::new(), kept: keep.then(Vec::new) }
    }

    pub fn add(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        self.hasher.update(bytes);
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// `{bytes, hash, hex?}`.
    pub fn finish(self) -> Value {
        let mut answer =
            json!({ "bytes": self.count, "hash": self.hasher.finalize().to_hex().as_str() });
        if let Some(kept) = self.kept {
            answer["hex"] = json!(to_hex(&kept));
        }
        answer
    }
}

/// `{state, size?, has}`.
pub async fn status(store: &Store, hash: Hash) -> Result<Value, Fault> {
    let has = store.has(hash).await?;
    Ok(match store.status(hash).await? {
        BlobStatus::NotFound => json!({ "state": "notFound", "has": has }),
        BlobStatus::Partial { size } => json!({ "state": "partial", "size": size, "has": has }),
        BlobStatus::Complete { size } => json!({ "state": "complete", "size": size, "has": has }),
    })
}

/// The bitfield of now, or the first complete one.
pub async fn bitfield(store: &Store, hash: Hash, complete: bool) -> Result<Value, Fault> {
    let observing = store.observe(hash);
    let bitfield = if complete { observing.await_completion().await? } else { observing.await? };
    Ok(blobs_request::bitfield(&bitfield))
}

/// Reads data: `{bytes, hash, hex?}`.
pub async fn get(table: &Table, get: Get) -> Result<Value, Fault> {
    sum(table, get, |sum, item| {
        if let EncodedItem::Leaf(leaf) = item {
            sum.add(&leaf.data);
        }
    })
    .await
}

/// Encodes size, hash pairs and data as they go over the wire: `{bytes, hash, hex?}`.
pub async fn encode(table: &Table, get: Get) -> Result<Value, Fault> {
    sum(table, get, |sum, item| match item {
        EncodedItem::Size(size) => sum.add(&size.to_le_bytes()),
        EncodedItem::Parent(parent) => {
            sum.add(parent.pair.0.as_bytes());
            sum.add(parent.pair.1.as_bytes());
        }
        EncodedItem::Leaf(leaf) => sum.add(&leaf.data),
        EncodedItem::Error(_) | EncodedItem::Done => {}
    })
    .await
}

async fn sum(
    table: &Table,
    get: Get,
    add: impl Fn(&mut Sum, &EncodedItem),
) -> Result<Value, Fault> {
    let store = table.store(get.store)?;
    let chunks = get.chunks.map_or_else(ChunkRanges::all, |chunks| chunks.0);
    let mut items = Box::pin(store.export_bao(get.hash, chunks).stream());
    let mut sum = Sum::new(get.hex);
    while let Some(item) = items.next().await {
        if let EncodedItem::Error(error) = item {
            return Err(Fault::new("export", error));
        }
        add(&mut sum, &item);
    }
    Ok(sum.finish())
}

/// All hashes in order.
pub async fn list(store: &Store) -> Result<Value, Fault> {
    let mut hashes = store.list().hashes().await?;
    hashes.sort();
    Ok(json!(hashes))
}

/// `[{name, hash}]`.
pub async fn collection(store: &Store, hash: Hash) -> Result<Value, Fault> {
    let collection = Collection::load(hash, store).await.map_err(Fault::store)?;
    Ok(collection.iter().map(|(name, hash)| json!({ "name": name, "hash": hash })).collect())
}
