//! Faces `ts/blobs/collect.ts` and `ts/blobs/verify.ts`: what goes, and what is still good.

use gaiwan_base::HashAndFormat;
use gaiwan_blobs::store::Verdict;
use napi_derive::napi;
use serde_json::json;

use super::work::{hash_of, hashes_of, told};
use crate::{bridge::NativeBridge, queue::Event};

#[napi]
impl NativeBridge {
    /// OK when they are gone, or none is: `BLOB_PROTECTED`. 32 bytes each.
    #[napi]
    pub fn blob_delete(&self, call: u32, store: u32, hashes: &[u8]) -> napi::Result<()> {
        let hashes = hashes_of(hashes);
        self.on_store(call, store, move |store, _| {
            store.delete(&hashes)?;
            Ok(Event::done(call))
        })
    }

    /// OK with `{deleted, bytes}`. Spares `protect` too, 32 bytes each.
    #[napi]
    pub fn store_collect(&self, call: u32, store: u32, protect: &[u8]) -> napi::Result<()> {
        let protect: Vec<_> = hashes_of(protect).into_iter().map(HashAndFormat::raw).collect();
        self.on_store(call, store, move |store, _| {
            let collected = store.gc(&protect)?;
            Ok(told(call, &json!({ "deleted": collected.deleted, "bytes": collected.bytes })))
        })
    }

    /// OK with `{type, hash, …}` of one blob; without a body if there is none.
    #[napi]
    pub fn blob_verify(
        &self,
        call: u32,
        store: u32,
        hash: String,
        repair: bool,
    ) -> napi::Result<()> {
        let hash = hash_of(&hash)?;
        self.on_store(call, store, move |store, stop| {
            let checked = store.verify_until(&hash, repair, &|| stop.check())?;
            let Some(checked) = checked else { return Ok(Event::done(call)) };
            let hash = checked.hash.to_hex();
            let event = match checked.verdict {
                Verdict::Ok => json!({ "type": "ok", "hash": hash, "size": checked.bytes }),
                Verdict::Bad { ranges, repaired } => {
                    json!({ "type": "bad", "hash": hash, "badRanges": ranges, "repaired": repaired })
                }
                Verdict::Missing { path } => {
                    json!({ "type": "missing", "hash": hash, "path": path.to_string_lossy() })
                }
            };
            Ok(told(call, &json!({ "event": event, "bytes": checked.bytes })))
        })
    }
}
