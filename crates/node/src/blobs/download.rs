//! Faces `ts/blobs/download.ts`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use gaiwan_base::{BlobFormat, Hash, HashAndFormat};
use gaiwan_blobs::{
    download::{Download, DownloadEvent, DownloadOptions, TagAs},
    getter::{self, groups_of_bytes},
    proto::ChunkRanges,
};
use gaiwan_endpoint::Failure;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use serde_json::{Value, json};

use super::{piece::Piece, provider::stats_json, work::told};
use crate::{
    bridge::NativeBridge,
    core::Core,
    error::{stale, to_js, to_json},
    options::whole,
    queue::{Aux, Event},
};

/// The shortest time between two words about progress.
const PROGRESS: Duration = Duration::from_millis(50);

/// Bytes from `start` to before `end`.
#[napi(object)]
pub struct NativeByteRange {
    /// Inclusive.
    pub start: f64,
    /// Exclusive; null is the end.
    pub end: Option<f64>,
}

/// How to download.
#[napi(object, object_to_js = false)]
pub struct NativeDownloadOptions {
    /// What is wanted of a raw blob; null is all.
    pub ranges: Option<Vec<NativeByteRange>>,
    /// Name that keeps the result; null for none unless `autoTag`.
    pub tag: Option<Uint8Array>,
    /// A name made from the time.
    pub auto_tag: bool,
    /// Share it among the providers.
    pub split: bool,
    /// Without a verified byte.
    pub stall_timeout_ms: f64,
    /// Of the whole.
    pub max_bytes: Option<f64>,
    /// Of children, beside the download.
    pub sizes: bool,
}

pub(super) fn content(hash: &[u8], is_seq: bool) -> napi::Result<HashAndFormat> {
    let hash = Hash::try_from(hash).map_err(|_| stale("hash of 32 bytes"))?;
    let format = if is_seq { BlobFormat::HashSeq } else { BlobFormat::Raw };
    Ok(HashAndFormat { hash, format })
}

pub(super) fn chunks(ranges: Option<Vec<NativeByteRange>>) -> ChunkRanges {
    let Some(ranges) = ranges else { return ChunkRanges::all() };
    ranges.iter().fold(ChunkRanges::empty(), |all, range| {
        all | groups_of_bytes(whole(range.start), range.end.map(whole))
    })
}

#[napi]
impl NativeBridge {
    /// Starts a download; the handle takes providers, and its release says that no more come. ITEMs on `sub` carry JSON;
    /// OK on `call` too.
    #[napi(catch_unwind)]
    pub fn blobs_download(
        &self,
        call: u32,
        sub: u32,
        store: u32,
        hash: &[u8],
        is_seq: bool,
        options: NativeDownloadOptions,
    ) -> napi::Result<u32> {
        let (core, held, content) = (self.core()?, self.store_of(store)?, content(hash, is_seq)?);
        let (store, running) = (held.store().map_err(to_js)?, held.begin().map_err(to_js)?);
        let settings = DownloadOptions {
            ranges: chunks(options.ranges),
            tag: match options.tag {
                Some(name) => TagAs::Name(Bytes::copy_from_slice(&name)),
                None if options.auto_tag => TagAs::Auto,
                None => TagAs::Nothing,
            },
            split: options.split,
            stall: Duration::from_millis(whole(options.stall_timeout_ms)),
            max_bytes: options.max_bytes.map(whole),
            sizes: options.sizes,
        };
        let teller = Teller { core: core.clone(), sub, progress: Mutex::default() };
        let heard = Arc::new(move |event| teller.tell(event));
        let (download, providers) = Download::new(store, content, settings, heard);
        core.call(call, async move {
            // The store is in use as long as this runs.
            let _running = running;
            let done = download.run().await?;
            let body = json!({
                "size": done.size, "localBytes": done.local_bytes, "stats": stats_json(&done.stats),
            });
            Ok(Event::ok(call, Aux::Value(0), body.to_string()))
        });
        Ok(self.table_mut().insert(Piece::Providers(Arc::new(providers)).object()))
    }

    /// One more provider; `number` comes back in events.
    #[napi(catch_unwind)]
    pub fn blobs_download_from(
        &self,
        download: u32,
        number: u32,
        connection: u32,
    ) -> napi::Result<()> {
        let held = self.connection_of(connection)?;
        self.providers_of(download)?.add(number, held.connection.clone());
        Ok(())
    }

    /// OK with JSON: what is here of some content.
    #[napi(catch_unwind)]
    pub fn blobs_local(
        &self,
        call: u32,
        store: u32,
        hash: &[u8],
        is_seq: bool,
        ranges: Option<Vec<NativeByteRange>>,
    ) -> napi::Result<()> {
        let (content, ranges) = (content(hash, is_seq)?, chunks(ranges));
        self.on_store(call, store, move |store, _| {
            let found = getter::local(store, content, &ranges)?;
            let missing: Option<Vec<String>> =
                found.missing.as_ref().map(|missing| missing.iter().map(Hash::to_hex).collect());
            Ok(told(
                call,
                &json!({
                    "isComplete": found.is_complete(),
                    "localBytes": found.local_bytes,
                    "missing": missing,
                }),
            ))
        })
    }
}

/// Tells JavaScript how a download goes.
struct Teller {
    core: Arc<Core>,
    sub: u32,
    /// When progress was told last.
    progress: Mutex<Option<Instant>>,
}

impl Teller {
    fn tell(&self, event: DownloadEvent) {
        let body = match event {
            DownloadEvent::Progress { bytes, total } => {
                let mut last = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                let is_end = total == Some(bytes);
                if !is_end && last.is_some_and(|last| now.duration_since(last) < PROGRESS) {
                    return;
                }
                *last = Some(now);
                json!({ "type": "progress", "bytes": bytes, "totalBytes": total })
            }
            DownloadEvent::Failed { provider, moved, failure } => json!({
                "type": "providerFailed", "provider": provider, "moved": moved, "error": error(&failure),
            }),
            DownloadEvent::Size { index, hash, size } => {
                json!({ "type": "size", "index": index, "hash": hash.to_hex(), "size": size })
            }
            DownloadEvent::Starved { seen } => json!({ "type": "starved", "seen": seen }),
            DownloadEvent::BlobDone { index, hash } => {
                json!({ "type": "blobDone", "index": index, "hash": hash.to_hex() })
            }
        };
        self.core.push(Event::item(self.sub, Aux::Value(0), body.to_string()));
    }
}

fn error(failure: &Failure) -> Value {
    Value::String(to_json(failure))
}
