//! Faces `ts/blobs/add.ts`: bytes and files from here.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use gaiwan_base::{BlobFormat, HashAndFormat};
use gaiwan_blobs::store::{Added, ImportMode, Phase, Store};
use gaiwan_endpoint::Failure;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use serde_json::{Value, json};

use super::{
    held::Slot,
    piece::{Batch, Piece},
    teller::Teller,
    work::{format_of, hash_of, offload, sayable, told},
};
use crate::{
    bridge::NativeBridge,
    error::to_js,
    queue::{Aux, Event},
};

/// What becomes of what is added.
#[napi(object, object_to_js = false)]
pub struct NativeAddOptions {
    /// As a list of hashes.
    pub hash_seq: bool,
    /// A name that keeps it.
    pub tag: Option<Uint8Array>,
    /// Without a name: whether one is made from the time.
    pub auto_tag: bool,
    /// A batch that holds it, 0 for none.
    pub batch: u32,
    /// The subscription that hears of progress, 0 for none.
    pub progress: u32,
}

enum Wish {
    None,
    Auto,
    Named(Bytes),
}

/// The same, ready for another thread.
pub(super) struct Adding {
    format: BlobFormat,
    wish: Wish,
    batch: Option<Arc<Batch>>,
    pub(super) teller: Teller,
}

impl NativeBridge {
    pub(super) fn adding(&self, options: &NativeAddOptions) -> napi::Result<Adding> {
        let wish = match &options.tag {
            Some(name) => Wish::Named(Bytes::copy_from_slice(name)),
            None if options.auto_tag => Wish::Auto,
            None => Wish::None,
        };
        let batch = if options.batch == 0 { None } else { Some(self.batch_of(options.batch)?) };
        let teller = Teller::new(self.core()?, options.progress);
        Ok(Adding { format: format_of(options.hash_seq), wish, batch, teller })
    }
}

impl Adding {
    /// Puts it in the batch and tags it, while it is still held.
    pub(super) fn settle(&self, store: &Store, added: &Added) -> Result<Value, Failure> {
        let size = sayable(added.size)?;
        let content = HashAndFormat { hash: added.hash, format: self.format };
        if let Some(batch) = &self.batch {
            batch.push(store.hold(content));
        }
        match &self.wish {
            Wish::None => {}
            Wish::Auto => drop(store.create_tag(content)?),
            Wish::Named(name) => store.set_tag(name.clone(), content)?,
        }
        self.teller.end(Phase::Hash);
        Ok(json!({ "hash": added.hash.to_hex(), "size": size }))
    }
}

#[napi]
impl NativeBridge {
    /// OK with `{hash, size}`. Copies `data`.
    #[napi]
    pub fn import_bytes(
        &self,
        call: u32,
        store: u32,
        data: &[u8],
        options: NativeAddOptions,
    ) -> napi::Result<()> {
        let (data, adding) = (Bytes::copy_from_slice(data), self.adding(&options)?);
        self.on_store(call, store, move |store, _| {
            adding.teller.total(data.len() as u64);
            adding.teller.note(Phase::Hash, data.len() as u64, None);
            let added = store.import_bytes(data)?;
            Ok(told(call, &adding.settle(store, &added)?))
        })
    }

    /// OK with `{hash, size}` of a file, an absolute path.
    #[napi]
    pub fn import_file(
        &self,
        call: u32,
        store: u32,
        path: String,
        reference: bool,
        options: NativeAddOptions,
    ) -> napi::Result<()> {
        let (path, adding) = (PathBuf::from(path), self.adding(&options)?);
        self.on_store(call, store, move |store, stop| {
            if let Ok(metadata) = std::fs::metadata(&path) {
                adding.teller.total(metadata.len());
            }
            let added = store.import_file(&path, import_mode(reference), &|phase, bytes| {
                adding.teller.note(phase, bytes, None);
                stop.check()
            })?;
            Ok(told(call, &adding.settle(store, &added)?))
        })
    }

    /// OK with an upload. Released unfinished it leaves nothing.
    #[napi]
    pub fn upload_begin(&self, call: u32, store: u32) -> napi::Result<()> {
        let running = self.store_of(store)?.begin().map_err(to_js)?;
        self.on_store(call, store, move |store, _| {
            let piece = Piece::Upload(Slot::new(store.upload()?, Some(running)));
            Ok(Event::ok(call, Aux::Object(piece.object()), Bytes::new()))
        })
    }

    /// OK when `data`, which is copied, is written. One at a time.
    #[napi]
    pub fn upload_push(&self, call: u32, upload: u32, data: &[u8]) -> napi::Result<()> {
        let (slot, data) = (self.upload_of(upload)?, Bytes::copy_from_slice(data));
        offload(self.core()?, call, move |_| {
            slot.with(|upload| upload.push(&data))?;
            Ok(Event::done(call))
        });
        Ok(())
    }

    /// OK with `{hash, size}`: that was all.
    #[napi]
    pub fn upload_finish(
        &self,
        call: u32,
        store: u32,
        upload: u32,
        options: NativeAddOptions,
    ) -> napi::Result<()> {
        let (slot, adding) = (self.upload_of(upload)?, self.adding(&options)?);
        self.on_store(call, store, move |store, stop| {
            let upload = slot.take()?;
            adding.teller.total(upload.size());
            let added = upload.finish(&|phase, bytes| {
                adding.teller.note(phase, bytes, None);
                stop.check()
            })?;
            Ok(told(call, &adding.settle(store, &added)?))
        })
    }

    /// A batch: what is added with it stays until it is released.
    #[napi]
    pub fn batch_begin(&self) -> u32 {
        self.table_mut().insert(Piece::Batch(Arc::default()).object())
    }

    /// Holds a blob in a batch.
    #[napi]
    pub fn batch_hold(
        &self,
        batch: u32,
        store: u32,
        hash: String,
        hash_seq: bool,
    ) -> napi::Result<()> {
        let (batch, held) = (self.batch_of(batch)?, self.store_of(store)?);
        let _running = held.begin().map_err(to_js)?;
        let content = HashAndFormat { hash: hash_of(&hash)?, format: format_of(hash_seq) };
        batch.push(held.store().map_err(to_js)?.hold(content));
        Ok(())
    }
}

pub(super) fn import_mode(reference: bool) -> ImportMode {
    if reference { ImportMode::Reference } else { ImportMode::Copy }
}
