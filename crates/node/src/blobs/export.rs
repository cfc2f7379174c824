//! Faces `ts/blobs/export.ts`.

use std::path::PathBuf;

use gaiwan_blobs::{
    local::{load_collection, unpack},
    store::{ExportMode, ExportOptions, Phase},
};
use napi_derive::napi;
use serde_json::json;

use super::{
    teller::Teller,
    work::{hash_of, told},
};
use crate::{bridge::NativeBridge, queue::Event};

/// How to export.
#[napi(object)]
pub struct NativeExportOptions {
    /// Move the data there.
    pub reference: bool,
    /// Replace what is there.
    pub overwrite: bool,
    /// Check the bytes on the way out.
    pub verify: bool,
    /// The subscription that hears of progress, 0 for none.
    pub progress: u32,
}

impl From<&NativeExportOptions> for ExportOptions {
    fn from(native: &NativeExportOptions) -> Self {
        let mode = if native.reference { ExportMode::Reference } else { ExportMode::Copy };
        Self { mode, overwrite: native.overwrite, verify: native.verify }
    }
}

#[napi]
impl NativeBridge {
    /// OK when the blob is a file at `path`, which is absolute.
    #[napi]
    pub fn blob_export(
        &self,
        call: u32,
        store: u32,
        hash: String,
        path: String,
        options: NativeExportOptions,
    ) -> napi::Result<()> {
        let (hash, path) = (hash_of(&hash)?, PathBuf::from(path));
        let teller = Teller::new(self.core()?, options.progress);
        self.on_store(call, store, move |store, stop| {
            teller.total(store.require(&hash)?);
            store.export(&hash, &path, ExportOptions::from(&options), &|phase, bytes| {
                teller.note(phase, bytes, None);
                stop.check()
            })?;
            teller.end(Phase::Write);
            Ok(Event::done(call))
        })
    }

    /// OK with the paths: the files of a collection below `directory`, which is absolute.
    #[napi]
    pub fn collection_export(
        &self,
        call: u32,
        store: u32,
        hash: String,
        directory: String,
        options: NativeExportOptions,
    ) -> napi::Result<()> {
        let (hash, directory) = (hash_of(&hash)?, PathBuf::from(directory));
        let teller = Teller::new(self.core()?, options.progress);
        self.on_store(call, store, move |store, stop| {
            let collection = load_collection(store, &hash)?;
            let paths = unpack(
                store,
                &collection,
                &directory,
                ExportOptions::from(&options),
                &mut |bytes| teller.total(bytes),
                &|phase, bytes, name| {
                    if bytes > 0 {
                        teller.note(phase, bytes, Some(name));
                    }
                    stop.check()
                },
            )?;
            teller.end(Phase::Write);
            let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
            Ok(told(call, &json!(paths)))
        })
    }
}
