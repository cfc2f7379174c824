//! Faces `ts/blobs/status.ts`: what is here.

use bytes::{BufMut, Bytes, BytesMut};
use gaiwan_blobs::store::Listed;
use napi_derive::napi;

use super::{
    piece::{Piece, Watching},
    work::{MAX_SAFE, bitfield, hash_of, hashes_of, told},
};
use crate::{
    bridge::NativeBridge,
    queue::{Aux, Event},
};

#[napi]
impl NativeBridge {
    /// OK with the bitfield as JSON and aux 1; aux 0 if nothing is known of the blob.
    #[napi]
    pub fn blob_status(&self, call: u32, store: u32, hash: String) -> napi::Result<()> {
        let hash = hash_of(&hash)?;
        self.on_store(call, store, move |store, _| {
            let field = store.bitfield(&hash)?;
            if field.is_empty() && !store.has_row(&hash)? {
                return Ok(Event::done(call));
            }
            Ok(Event::ok(call, Aux::Value(1), bitfield(&field)?.to_string()))
        })
    }

    /// OK with rows, those after the 32 bytes of `after`: hash, size f64, complete u32, 4 bytes 0; little-endian.
    #[napi]
    pub fn blob_list(&self, call: u32, store: u32, after: &[u8], limit: u32) -> napi::Result<()> {
        let after = hashes_of(after).pop();
        self.on_store(call, store, move |store, _| {
            let rows = store.list(after.as_ref(), limit as usize)?;
            let mut body = BytesMut::with_capacity(48 * rows.len());
            for Listed { hash, size, complete } in rows {
                body.put_slice(hash.as_bytes());
                #[allow(clippy::cast_precision_loss, reason = "cut to what a double has exactly")]
                body.put_f64_le(size.min(MAX_SAFE) as f64);
                body.put_u32_le(complete.into());
                body.put_u32_le(0);
            }
            Ok(Event::ok(call, Aux::Value(0), body.freeze()))
        })
    }

    /// OK with a watch.
    #[napi]
    pub fn blob_watch(&self, call: u32, store: u32, hash: String) -> napi::Result<()> {
        let hash = hash_of(&hash)?;
        self.on_store(call, store, move |store, _| {
            let watching = Watching { watch: store.watch(hash)?, told: false };
            let piece = Piece::Watch(tokio::sync::Mutex::new(watching).into());
            Ok(Event::ok(call, Aux::Object(piece.object()), Bytes::new()))
        })
    }

    /// OK with the bitfield: as it is the first time, later after the next change.
    #[napi]
    pub fn watch_next(&self, call: u32, watch: u32) -> napi::Result<()> {
        let watching = self.watch_of(watch)?;
        self.core()?.call(call, async move {
            let mut watching = watching.lock().await;
            let field = if watching.told {
                watching.watch.changed().await
            } else {
                watching.told = true;
                watching.watch.now()
            };
            Ok(told(call, &bitfield(&field)?))
        });
        Ok(())
    }
}
