//! Commands on stores and their tags.

use std::path::PathBuf;
use std::time::Duration;

use iroh_blobs::api::Store;
use iroh_blobs::store::GcConfig;
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::store::fs::options::{InlineOptions, Options};
use iroh_blobs::store::mem::{self, MemStore};
use iroh_blobs::{Hash, HashAndFormat};
use n0_future::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blobs_request::Format;
use crate::fault::Fault;
use crate::table::Table;

/// How to open.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// Absent: in memory.
    directory: Option<PathBuf>,
    /// In a directory: the most bytes of data and of outboard that go into the database.
    inline: Option<Inline>,
    /// How often garbage is collected; absent: never.
    gc_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Inline {
    data: u64,
    outboard: u64,
}

/// Opens a store: `{store}`.
pub async fn open(table: &Table, open: Open) -> Result<Value, Fault> {
    let gc =
        open.gc_ms.map(|ms| GcConfig { interval: Duration::from_millis(ms), add_protected: None });
    let store = match open.directory {
        None => MemStore::new_with_opts(mem::Options { gc_config: gc }).into(),
        Some(directory) => {
            let mut options = Options::new(&directory);
            options.gc = gc;
            if let Some(Inline { data, outboard }) = open.inline {
                options.inline =
                    InlineOptions { max_data_inlined: data, max_outboard_inlined: outboard };
            }
            FsStore::load_with_opts(directory.join("blobs.db"), options)
                .await
                .map_err(|error| Fault::new("store", format!("{error:#}")))?
                .into()
        }
    };
    Ok(json!({ "store": table.add_store(store) }))
}

/// A tag and what it holds.
#[derive(Deserialize)]
pub struct TagSet {
    store: u32,
    name: String,
    hash: Hash,
    format: Format,
}

/// Creates or replaces a tag.
pub async fn tag_set(table: &Table, set: TagSet) -> Result<Value, Fault> {
    let content = HashAndFormat::new(set.hash, set.format.into());
    table.store(set.store)?.tags().set(set.name, content).await?;
    Ok(Value::Null)
}

/// All tags: `[{name, hash, format}]`, in the order of the bytes of their names.
pub async fn tags(store: &Store) -> Result<Value, Fault> {
    let mut list = store.tags().list().await?;
    let mut tags = Vec::new();
    while let Some(tag) = list.next().await {
        let tag = tag?;
        let name = String::from_utf8_lossy(tag.name.as_ref()).into_owned();
        tags.push(json!({ "name": name, "hash": tag.hash, "format": Format::name(tag.format) }));
    }
    Ok(json!(tags))
}
