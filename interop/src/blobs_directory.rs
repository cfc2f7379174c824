//! A store's directory with something of every kind in it, for tests that read it.

use std::path::PathBuf;

use bytes::Bytes;
use iroh_blobs::api::Store;
use iroh_blobs::api::blobs::{AddBytesOptions, AddPathOptions, ImportMode};
use iroh_blobs::format::collection::Collection;
use iroh_blobs::protocol::{ChunkRanges, ChunkRangesExt};
use iroh_blobs::store::fs::FsStore;
use iroh_blobs::store::mem::MemStore;
use iroh_blobs::{BlobFormat, Hash, HashAndFormat};
use n0_future::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blobs_add::pattern;
use crate::blobs_request::{Format, bitfield};
use crate::command::to_hex;
use crate::fault::Fault;

/// Empty, in the database, a file with an outboard in the database, two files.
const SIZES: [u64; 7] = [0, 1, 1024, 16_384, 16_385, 70_000, 5 << 20];
/// Of this many bytes of the pattern some groups are there, the last one too.
const PARTIAL: u64 = 1_000_000;
const GROUPS: [(u64, u64); 3] = [(0, 64), (320, 336), (960, 1_000)];

/// Where to.
#[derive(Deserialize)]
pub struct Directory {
    /// Made if it is not there.
    directory: PathBuf,
    /// A file that stays where it is.
    external: PathBuf,
}

/// Makes the directory and leaves it: `{blobs: [{hash, size}], external, collection, children, partial, absent, tags}`.
pub async fn make(to: Directory) -> Result<Value, Fault> {
    let store: Store = FsStore::load(&to.directory).await.map_err(Fault::store)?.into();
    let mut blobs = Vec::new();
    for size in SIZES {
        let data = pattern(size)?;
        let format = BlobFormat::Raw;
        let added = store.add_bytes_with_opts(AddBytesOptions { data, format });
        let content = added.with_named_tag(format!("pattern-{size}")).await?;
        blobs.push(json!({ "hash": content.hash, "size": size }));
    }
    let (path, mode, format) = (to.external, ImportMode::TryReference, BlobFormat::Raw);
    let external = store.add_path_with_opts(AddPathOptions { path, mode, format });
    let external = external.with_named_tag("external").await?.hash;

    let mut collection = Collection::default();
    let mut held = Vec::new();
    for (name, data) in [("a.txt", &b"tea"[..]), ("dir/b.bin", &[7; 20_000])] {
        let tag = store.add_bytes(Bytes::copy_from_slice(data)).temp_tag().await?;
        collection.push(name.into(), tag.hash());
        held.push(tag);
    }
    let children: Vec<Hash> = collection.iter().map(|(_, hash)| *hash).collect();
    let root = collection.clone().store(&store).await.map_err(Fault::store)?;
    store.tags().set("collection", root.hash_and_format()).await?;
    store.tags().set(Bytes::from_static(b"n\xffo text"), root.hash_and_format()).await?;
    let absent = Hash::new("nowhere");
    store.tags().set("absent", HashAndFormat::raw(absent)).await?;

    let partial = partial(&store).await?;
    let mut tags = Vec::new();
    let mut list = store.tags().list().await?;
    while let Some(tag) = list.next().await {
        let tag = tag?;
        let (name, format) = (to_hex(tag.name.as_ref()), Format::name(tag.format));
        tags.push(json!({ "name": name, "hash": tag.hash, "format": format }));
    }
    store.wait_idle().await?;
    store.sync_db().await?;
    let collection = root.hash();
    drop((held, root));
    store.shutdown().await?;
    Ok(json!({
        "blobs": blobs, "external": external, "collection": collection, "children": children,
        "partial": partial, "absent": absent, "tags": tags,
    }))
}

/// A blob of which some groups come in, with a tag: `{hash, size, bitfield}`.
async fn partial(store: &Store) -> Result<Value, Fault> {
    let whole = MemStore::new();
    let hash = whole.add_bytes(pattern(PARTIAL)?).temp_tag().await?.hash();
    let mut chunks = ChunkRanges::empty();
    for (start, end) in GROUPS {
        chunks |= ChunkRanges::chunks(start..end);
    }
    let encoded = whole.export_bao(hash, chunks.clone()).bao_to_vec().await?;
    store.import_bao_bytes(hash, chunks, encoded).await?;
    store.tags().set("partial", HashAndFormat::raw(hash)).await?;
    let present = store.observe(hash).await?;
    Ok(json!({ "hash": hash, "size": PARTIAL, "bitfield": bitfield(&present) }))
}
