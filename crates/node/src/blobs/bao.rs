//! Faces `ts/blobs/bao.ts`: verified streams.

use bytes::Bytes;
use gaiwan_blobs::local::{BaoExport, BaoImport};
use napi_derive::napi;
use serde_json::json;

use super::{
    held::Slot,
    piece::Piece,
    work::{hash_of, offload, ranges_of, sayable, told},
};
use crate::{
    bridge::NativeBridge,
    error::to_js,
    queue::{Aux, Event},
};

#[napi]
impl NativeBridge {
    /// OK with an import. `spans` are pairs of bytes, an end below 0 for none; null for all.
    #[napi]
    pub fn bao_import(
        &self,
        call: u32,
        store: u32,
        hash: String,
        spans: Option<Vec<f64>>,
    ) -> napi::Result<()> {
        let (hash, ranges) = (hash_of(&hash)?, ranges_of(spans));
        let running = self.store_of(store)?.begin().map_err(to_js)?;
        self.on_store(call, store, move |store, _| {
            let import = BaoImport::new(store, hash, ranges)?;
            let piece = Piece::BaoImport(Slot::new(import, Some(running)));
            Ok(Event::ok(call, Aux::Object(piece.object()), Bytes::new()))
        })
    }

    /// OK when `data`, which is copied, is checked. One at a time.
    #[napi]
    pub fn bao_push(&self, call: u32, stream: u32, data: &[u8]) -> napi::Result<()> {
        let (slot, data) = (self.bao_import_of(stream)?, Bytes::copy_from_slice(data));
        offload(self.core()?, call, move |_| {
            slot.with(|import| import.push(&data))?;
            Ok(Event::done(call))
        });
        Ok(())
    }

    /// OK with `{size}`: that was all.
    #[napi]
    pub fn bao_finish(&self, call: u32, stream: u32) -> napi::Result<()> {
        let slot = self.bao_import_of(stream)?;
        offload(self.core()?, call, move |_| {
            let size = sayable(slot.take()?.finish()?)?;
            Ok(told(call, &json!({ "size": size })))
        });
        Ok(())
    }

    /// OK with an export; `spans` as for `baoImport`.
    #[napi]
    pub fn bao_export(
        &self,
        call: u32,
        store: u32,
        hash: String,
        spans: Option<Vec<f64>>,
    ) -> napi::Result<()> {
        let (hash, ranges) = (hash_of(&hash)?, ranges_of(spans));
        self.on_store(call, store, move |store, _| {
            let export = BaoExport::new(store, &hash, ranges)?;
            let piece = Piece::BaoExport(Slot::new(export, None));
            Ok(Event::ok(call, Aux::Object(piece.object()), Bytes::new()))
        })
    }

    /// OK with the next bytes and aux 1; aux 0 at the end.
    #[napi]
    pub fn bao_next(&self, call: u32, stream: u32) -> napi::Result<()> {
        let slot = self.bao_export_of(stream)?;
        offload(self.core()?, call, move |_| {
            Ok(match slot.with(BaoExport::piece)? {
                Some(piece) => Event::ok(call, Aux::Value(1), piece),
                None => Event::done(call),
            })
        });
        Ok(())
    }
}
