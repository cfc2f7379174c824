//! Faces `ts/blobs/store-core.ts`: the life of a store.

use std::path::PathBuf;

use bytes::Bytes;
use gaiwan_blobs::store::{Store, StoreOptions};
use gaiwan_endpoint::Failure;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use super::{held::Held, piece::Piece, work::offload};
use crate::{
    bridge::NativeBridge,
    core::panicked,
    error::to_js,
    options::whole,
    queue::{Aux, Event},
};

/// How a store keeps its blobs; absent is the default.
#[napi(object)]
pub struct NativeStoreOptions {
    /// Acknowledged means on disk.
    pub durable: Option<bool>,
    /// Bytes of all blobs.
    pub max_bytes: Option<f64>,
    /// Bytes.
    pub inline_data_bytes: Option<f64>,
    /// Bytes.
    pub inline_outboard_bytes: Option<f64>,
}

impl From<NativeStoreOptions> for StoreOptions {
    fn from(native: NativeStoreOptions) -> Self {
        let mut options = Self { max_bytes: native.max_bytes.map(whole), ..Self::default() };
        if let Some(durable) = native.durable {
            options.durable = durable;
        }
        if let Some(bytes) = native.inline_data_bytes {
            options.inline_data_bytes = whole(bytes);
        }
        if let Some(bytes) = native.inline_outboard_bytes {
            options.inline_outboard_bytes = whole(bytes);
        }
        options
    }
}

#[napi]
impl NativeBridge {
    /// OK with the store in a directory, an absolute path.
    #[napi]
    pub fn store_open(
        &self,
        call: u32,
        directory: String,
        options: NativeStoreOptions,
    ) -> napi::Result<()> {
        let (directory, options) = (PathBuf::from(directory), options.into());
        offload(self.core()?, call, move |_| {
            let store = Store::open(&directory, options)?;
            let piece = Piece::Store(Held::open(store, directory));
            Ok(Event::ok(call, Aux::Object(piece.object()), Bytes::new()))
        });
        Ok(())
    }

    /// A store in memory.
    #[napi]
    pub fn store_memory(&self, options: NativeStoreOptions) -> napi::Result<u32> {
        let options = options.into();
        self.made(move || Store::memory(options))
    }

    /// A store in memory that never changes. Copies the contents.
    #[napi]
    pub fn store_fixed(&self, contents: Vec<Uint8Array>) -> napi::Result<u32> {
        let contents: Vec<_> = contents.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
        self.made(move || Store::fixed(contents))
    }

    fn made(
        &self,
        make: impl FnOnce() -> Result<Store, Failure> + Send + 'static,
    ) -> napi::Result<u32> {
        let held = Held::due(make);
        let shared = held.clone();
        // Now, so that nobody has to wait for it later; what it fails with, the first call tells.
        self.core()?.enter(|| drop(tokio::task::spawn_blocking(move || drop(shared.store()))));
        Ok(self.table_mut().insert(Piece::Store(held).object()))
    }

    /// OK once all that runs has ended, everything is on disk, and the directory is free.
    #[napi]
    pub fn store_close(&self, call: u32, store: u32) -> napi::Result<()> {
        let held = self.store_of(store)?;
        held.stop();
        self.core()?.call(call, async move {
            held.idle().await;
            let ended = tokio::task::spawn_blocking(move || held.end()).await;
            ended.map_or_else(|_| Err(panicked()), |()| Ok(Event::done(call)))
        });
        Ok(())
    }

    /// OK when no operation runs.
    #[napi]
    pub fn store_idle(&self, call: u32, store: u32) -> napi::Result<()> {
        let held = self.store_of(store)?;
        drop(held.begin().map_err(to_js)?);
        self.core()?.call(call, async move {
            held.idle().await;
            Ok(Event::done(call))
        });
        Ok(())
    }

    /// OK when everything acknowledged is on disk.
    #[napi]
    pub fn store_sync(&self, call: u32, store: u32) -> napi::Result<()> {
        self.on_store(call, store, move |store, _| {
            store.sync()?;
            Ok(Event::done(call))
        })
    }
}
