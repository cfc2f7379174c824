//! Faces `ts/blobs/import.ts`: the directory of another store.

use std::path::PathBuf;

use gaiwan_blobs::{
    reference::{Directory, Failed, Step, import_directory},
    store::Phase,
};
use napi_derive::napi;
use serde_json::json;

use super::{add::import_mode, teller::Teller, work::told};
use crate::bridge::NativeBridge;

#[napi]
impl NativeBridge {
    /// OK with `{blobs, bytes, partial, tags, failed: [{hash, message}]}`: everything of a directory of iroh-blobs, an
    /// absolute path. `progress` is the subscription that hears of it, 0 for none.
    #[napi]
    pub fn store_import(
        &self,
        call: u32,
        store: u32,
        directory: String,
        reference: bool,
        progress: u32,
    ) -> napi::Result<()> {
        let (directory, teller) = (PathBuf::from(directory), Teller::new(self.core()?, progress));
        self.on_store(call, store, move |store, stop| {
            let directory = Directory::open(&directory, &|| stop.check())?;
            teller.total(directory.total_bytes());
            teller.blobs(directory.blobs());
            let imported =
                import_directory(store, &directory, import_mode(reference), &|step| {
                    match step {
                        Step::Bytes(phase, bytes, hash) => {
                            teller.note(phase, bytes, Some(&hash.to_hex()));
                        }
                        Step::Blob => teller.blob(),
                    }
                    stop.check()
                })?;
            teller.end(Phase::Hash);
            let failed = |failed: &Failed| json!({ "hash": failed.hash.to_hex(), "message": failed.message });
            let answer = json!({
                "blobs": imported.blobs,
                "bytes": imported.bytes,
                "partial": imported.partial,
                "tags": imported.tags,
                "failed": imported.failed.iter().map(failed).collect::<Vec<_>>(),
            });
            Ok(told(call, &answer))
        })
    }
}
