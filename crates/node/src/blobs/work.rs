//! One blocking call, and how its arguments and answers are said.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use gaiwan_base::{BlobFormat, ErrorCode, Hash};
use gaiwan_blobs::{
    local::{byte_spans, chunks_of_spans},
    proto::{Bitfield, ChunkRanges},
    store::Store,
};
use gaiwan_endpoint::Failure;
use serde_json::{Value, json};

use super::held::Held;
use crate::{
    bridge::NativeBridge,
    core::{Core, panicked},
    error::to_js,
    options::whole,
    queue::{Aux, Event},
};

/// The largest number that JavaScript has without gaps.
pub const MAX_SAFE: u64 = (1 << 53) - 1;

/// Whether whoever asked still waits.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Fails once nobody does.
    pub fn check(&self) -> Result<(), Failure> {
        if self.0.load(Relaxed) {
            return Err(Failure::new(ErrorCode::StoreClosed, "nobody waits for it any more"));
        }
        Ok(())
    }
}

/// Dropped with the call, when that is cancelled.
struct GiveUp(Stop);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.0.store(true, Relaxed);
    }
}

/// Runs `work` on a thread that may wait, as `call`. Cancelled, it goes on until it asks `Stop`.
pub fn offload(
    core: &Core,
    call: u32,
    work: impl FnOnce(&Stop) -> Result<Event, Failure> + Send + 'static,
) {
    core.call(call, async move {
        let stop = Stop::default();
        let _give_up = GiveUp(stop.clone());
        let done = tokio::task::spawn_blocking(move || stop.check().and_then(|()| work(&stop)));
        done.await.unwrap_or_else(|_| Err(panicked()))
    });
}

impl NativeBridge {
    /// As [`offload`], on a store, as an operation of it.
    pub(super) fn on_store(
        &self,
        call: u32,
        store: u32,
        work: impl FnOnce(&Store, &Stop) -> Result<Event, Failure> + Send + 'static,
    ) -> napi::Result<()> {
        let held = self.store_of(store)?;
        self.on_held(call, &held, work)
    }

    pub(super) fn on_held(
        &self,
        call: u32,
        held: &Arc<Held>,
        work: impl FnOnce(&Store, &Stop) -> Result<Event, Failure> + Send + 'static,
    ) -> napi::Result<()> {
        let (held, running) = (held.clone(), held.begin().map_err(to_js)?);
        offload(self.core()?, call, move |stop| {
            // Dropped last: while it is there the store is in use.
            let _running = running;
            let store = held.store()?;
            work(&store, stop)
        });
        Ok(())
    }
}

/// An OK with JSON.
pub fn told(call: u32, value: &Value) -> Event {
    Event::ok(call, Aux::Value(0), value.to_string())
}

/// Lowercase hex, as the facade gives it.
pub fn hash_of(text: &str) -> napi::Result<Hash> {
    Hash::parse(text).map_err(|error| napi::Error::from_reason(error.to_string()))
}

/// 32 bytes each.
pub fn hashes_of(bytes: &[u8]) -> Vec<Hash> {
    let (hashes, _) = bytes.as_chunks();
    hashes.iter().copied().map(Hash::from_bytes).collect()
}

/// Whether it is a list of hashes.
pub fn format_of(hash_seq: bool) -> BlobFormat {
    if hash_seq { BlobFormat::HashSeq } else { BlobFormat::Raw }
}

/// Pairs of start and end, an end below 0 for none; `None` for all.
pub fn ranges_of(spans: Option<Vec<f64>>) -> ChunkRanges {
    let Some(spans) = spans else { return ChunkRanges::all() };
    let pair = |pair: &[f64; 2]| (whole(pair[0]), (pair[1] >= 0.0).then(|| whole(pair[1])));
    chunks_of_spans(&spans.as_chunks().0.iter().map(pair).collect::<Vec<_>>())
}

/// A size that JavaScript can say, else `BLOB_TOO_LARGE`.
pub fn sayable(size: u64) -> Result<u64, Failure> {
    if size > MAX_SAFE {
        let text = format!("the blob has {size} bytes, more than a number of JavaScript can say");
        return Err(Failure::new(ErrorCode::BlobTooLarge, text));
    }
    Ok(size)
}

/// `{size, sizeVerified, isComplete, ranges}`; a claim that JavaScript can't say is cut.
pub fn bitfield(field: &Bitfield) -> Result<Value, Failure> {
    let size = match field.validated_size() {
        Some(size) => sayable(size)?,
        None => field.size().min(MAX_SAFE),
    };
    let spans: Vec<_> =
        byte_spans(field).into_iter().map(|(start, end)| [start, end.min(size)]).collect();
    Ok(json!({
        "size": size,
        "sizeVerified": field.is_validated(),
        "isComplete": field.is_complete(),
        "ranges": spans,
    }))
}
