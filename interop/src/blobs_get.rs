//! Commands of a getter: transfers over a connection that is there.

use bao_tree::ChunkNum;
use iroh::endpoint::Connection;
use iroh_blobs::api::Store;
use iroh_blobs::api::blobs::Bitfield;
use iroh_blobs::api::remote::{GetProgress, GetProgressItem};
use iroh_blobs::get::{Stats, request};
use iroh_blobs::protocol::{
    ChunkRanges, ChunkRangesSeq, GetManyRequest, GetRequest, ObserveRequest, PushRequest,
};
use iroh_blobs::{BlobFormat, Hash, HashAndFormat};
use n0_future::StreamExt;
use n0_future::stream::Boxed;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::blobs_request::{Ranges, bitfield};
use crate::connection::Link;
use crate::fault::Fault;
use crate::table::Table;

/// Gets what the request names, whatever is present.
pub async fn execute_get(
    table: &Table,
    connection: u32,
    store: u32,
    hash: Hash,
    ranges: Ranges,
) -> Result<Value, Fault> {
    let request = GetRequest::new(hash, ranges.build());
    let connection = full(table, connection)?;
    outcome(table.store(store)?.remote().execute_get(connection, request)).await
}

/// Gets what is not present.
pub async fn fetch(
    table: &Table,
    connection: u32,
    store: u32,
    hash: Hash,
    format: BlobFormat,
) -> Result<Value, Fault> {
    let content = HashAndFormat::new(hash, format);
    let connection = full(table, connection)?;
    outcome(table.store(store)?.remote().fetch(connection, content)).await
}

/// Gets blobs by their hashes; index i of the ranges is hash i, all of each if absent.
pub async fn get_many(
    table: &Table,
    connection: u32,
    store: u32,
    hashes: Vec<Hash>,
    ranges: Option<Ranges>,
) -> Result<Value, Fault> {
    let ranges = ranges.map_or_else(
        || ChunkRangesSeq::from_ranges(hashes.iter().map(|_| ChunkRanges::all())),
        Ranges::build,
    );
    let request = GetManyRequest::new(hashes, ranges);
    let connection = full(table, connection)?;
    outcome(table.store(store)?.remote().execute_get_many(connection, request)).await
}

/// Pushes; the reference hears of a refusal only if it comes while it still writes.
pub async fn push(
    table: &Table,
    connection: u32,
    store: u32,
    hash: Hash,
    ranges: Ranges,
) -> Result<Value, Fault> {
    let request = PushRequest::new(hash, ranges.build());
    let connection = full(table, connection)?;
    let pushing = table.store(store)?.remote().execute_push(connection, request);
    pushing.await.map_err(|error| Fault::push(&*error.into_boxed_dyn_error()))?;
    Ok(Value::Null)
}

/// The frames of an observation.
pub type Observation = Mutex<Boxed<std::io::Result<Bitfield>>>;

/// An observation, which begins when its first frame is asked for: `{observation}`.
pub fn observe(table: &Table, connection: u32, hash: Hash) -> Result<Value, Fault> {
    let connection = full(table, connection)?;
    // Observing takes nothing from the store whose remote it is called on.
    let store: Store = iroh_blobs::store::mem::MemStore::new().into();
    let request = ObserveRequest::new(hash);
    let frames: Boxed<_> = Box::pin(store.remote().observe(connection, request));
    Ok(json!({ "observation": table.add_observation(Mutex::new(frames)) }))
}

/// Waits for the next frame of an observation.
pub async fn observed(observation: &Observation) -> Result<Value, Fault> {
    match observation.lock().await.next().await {
        Some(frame) => Ok(bitfield(&frame.map_err(Fault::io)?)),
        None => Err(Fault::new("broken-stream", "the observation ended")),
    }
}

/// What is present of a request: `{complete, localBytes, children}`.
pub async fn local(store: &Store, hash: Hash, ranges: Ranges) -> Result<Value, Fault> {
    let request = GetRequest::new(hash, ranges.build());
    let info = store.remote().local_for_request(request).await.map_err(Fault::store)?;
    Ok(json!({
        "complete": info.is_complete(),
        "localBytes": info.local_bytes(),
        "children": info.children(),
    }))
}

/// A question that needs no store.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    connection: u32,
    hash: Hash,
    ask: Question,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Question {
    /// `{size}` as claimed.
    UnverifiedSize,
    /// `{size}` with proof.
    VerifiedSize,
    /// `{hashes, sizes}`, refused if the sequence has more bytes than this.
    HashSeq(u64),
    /// `{}` if the chunk is there.
    Chunk(u64),
    /// `{bytes}` and the BLAKE3 of a blob that is read whole into memory.
    Blob,
}

/// Asks without a store; sizes are decimal strings.
pub async fn probe(table: &Table, probe: Probe) -> Result<Value, Fault> {
    let connection = full(table, probe.connection)?;
    let hash = probe.hash;
    Ok(match probe.ask {
        Question::UnverifiedSize => {
            let (size, _) = request::get_unverified_size(&connection, &hash).await?;
            json!({ "size": size.to_string() })
        }
        Question::VerifiedSize => {
            let (size, _) = request::get_verified_size(&connection, &hash).await?;
            json!({ "size": size.to_string() })
        }
        Question::HashSeq(most) => {
            let (hashes, sizes) =
                request::get_hash_seq_and_sizes(&connection, &hash, most, None).await?;
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            json!({ "hashes": hashes.iter().collect::<Vec<_>>(), "sizes": sizes })
        }
        Question::Chunk(chunk) => {
            request::get_chunk_probe(&connection, &hash, ChunkNum(chunk)).await?;
            json!({})
        }
        Question::Blob => {
            let bytes = request::get_blob(connection, hash).bytes().await?;
            json!({ "bytes": bytes.len(), "hash": Hash::new(&bytes) })
        }
    })
}

/// The connection, whose handshake must be done.
fn full(table: &Table, handle: u32) -> Result<Connection, Fault> {
    match &*table.connection(handle)? {
        Link::Full(connection) => Ok(connection.clone()),
        Link::EarlyIn(_) | Link::EarlyOut(_) => Err(Fault::usage("blobs need a full connection")),
    }
}

/// Runs a transfer: `{payloadBytesRead, otherBytesRead, payloadBytesWritten, otherBytesWritten,
/// elapsedMs, progress}`, `progress` being the last payload count that was told.
async fn outcome(transfer: GetProgress) -> Result<Value, Fault> {
    let mut items = Box::pin(transfer.stream());
    let mut progress = 0;
    while let Some(item) = items.next().await {
        match item {
            GetProgressItem::Progress(bytes) => progress = bytes,
            GetProgressItem::Done(stats) => {
                let mut answer = to_json(&stats);
                answer["progress"] = json!(progress);
                return Ok(answer);
            }
            GetProgressItem::Error(error) => return Err(error.into()),
        }
    }
    Err(Fault::store("the transfer ended without a result"))
}

fn to_json(stats: &Stats) -> Value {
    json!({
        "payloadBytesRead": stats.counters.payload_bytes_read,
        "otherBytesRead": stats.counters.other_bytes_read,
        "payloadBytesWritten": stats.counters.payload_bytes_written,
        "otherBytesWritten": stats.counters.other_bytes_written,
        "elapsedMs": stats.elapsed.as_millis() as u64,
    })
}
