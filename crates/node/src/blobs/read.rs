//! Faces `ts/blobs/read.ts` and `ts/blobs/reader.ts`.

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;
use napi_derive::napi;
use serde_json::json;

use super::{
    piece::{OpenBlob, Piece},
    work::{MAX_SAFE, hash_of, sayable},
};
use crate::{
    bridge::NativeBridge,
    options::whole,
    queue::{Aux, Event},
};

/// A blob up to this size is given whole, a larger one as a reader.
const WHOLE: u64 = 1 << 20;

#[napi]
impl NativeBridge {
    /// OK with all bytes of a complete blob of at most `max`, and aux 0; or, if they are many, with a reader and `{size}`.
    #[napi]
    pub fn blob_get(&self, call: u32, store: u32, hash: String, max: f64) -> napi::Result<()> {
        let (hash, max, held) = (hash_of(&hash)?, whole(max), self.store_of(store)?);
        self.on_store(call, store, move |store, _| {
            let reader = store.complete_reader(&hash)?;
            let size = reader.size();
            if size > max {
                let text = format!("the blob has {size} bytes, the limit is {max}");
                return Err(Failure::new(ErrorCode::BlobTooLarge, text));
            }
            if size <= WHOLE {
                return Ok(Event::ok(call, Aux::Value(0), reader.read(0, size)?));
            }
            let piece = Piece::Reader(OpenBlob { reader, held }.into());
            let facts = json!({ "size": sayable(size)? });
            Ok(Event::ok(call, Aux::Object(piece.object()), facts.to_string()))
        })
    }

    /// OK with a reader and `{size}`; with `complete` only if all is here.
    #[napi]
    pub fn blob_reader(
        &self,
        call: u32,
        store: u32,
        hash: String,
        complete: bool,
    ) -> napi::Result<()> {
        let (hash, held) = (hash_of(&hash)?, self.store_of(store)?);
        self.on_store(call, store, move |store, _| {
            let reader =
                if complete { store.complete_reader(&hash)? } else { store.reader(&hash)? };
            let size = match reader.field().validated_size() {
                Some(size) => sayable(size)?,
                None => reader.size().min(MAX_SAFE),
            };
            let piece = Piece::Reader(OpenBlob { reader, held }.into());
            let facts = json!({ "size": size });
            Ok(Event::ok(call, Aux::Object(piece.object()), facts.to_string()))
        })
    }

    /// OK with the bytes from `start` to before `end`, checked.
    #[napi]
    pub fn reader_read(&self, call: u32, reader: u32, start: f64, end: f64) -> napi::Result<()> {
        let blob = self.reader_of(reader)?;
        let (start, end) = (whole(start), whole(end));
        let held = blob.held.clone();
        self.on_held(call, &held, move |_, _| {
            Ok(Event::ok(call, Aux::Value(0), blob.reader.read(start, end)?))
        })
    }
}
