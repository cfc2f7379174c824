//! Faces `ts/blobs/tags.ts`.

use bytes::{BufMut, Bytes, BytesMut};
use gaiwan_base::{BlobFormat, HashAndFormat};
use gaiwan_blobs::store::{Tag, TagRange};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use super::work::{format_of, hash_of};
use crate::{
    bridge::NativeBridge,
    queue::{Aux, Event},
};

/// Names; absent is no limit.
#[napi(object, object_to_js = false)]
pub struct NativeTagRange {
    /// This one alone.
    pub exactly: Option<Uint8Array>,
    /// Those that begin with it.
    pub prefix: Option<Uint8Array>,
    /// Inclusive.
    pub from: Option<Uint8Array>,
    /// Exclusive.
    pub to: Option<Uint8Array>,
    /// Only lists of hashes, or none of them.
    pub hash_seq: Option<bool>,
}

fn copied(name: &Uint8Array) -> Bytes {
    Bytes::copy_from_slice(name)
}

impl From<NativeTagRange> for TagRange {
    fn from(native: NativeTagRange) -> Self {
        let own = Self {
            from: native.from.as_ref().map(copied).unwrap_or_default(),
            to: native.to.as_ref().map(copied),
            format: native.hash_seq.map(format_of),
        };
        let exactly = native.exactly.map(|name| Self::exactly(&name));
        let prefix = native.prefix.map(|prefix| Self::prefix(&prefix));
        exactly.into_iter().chain(prefix).fold(own, Self::and)
    }
}

/// Each as length of the name u32, format u32, hash, name padded to 4; little-endian.
fn packed(tags: &[Tag]) -> Bytes {
    let mut body = BytesMut::new();
    for Tag { name, content } in tags {
        body.put_u32_le(u32::try_from(name.len()).unwrap_or(u32::MAX));
        body.put_u32_le(content.format.to_byte().into());
        body.put_slice(content.hash.as_bytes());
        body.put_slice(name);
        body.put_bytes(0, name.len().next_multiple_of(4) - name.len());
    }
    body.freeze()
}

#[napi]
impl NativeBridge {
    /// OK when the tag is set; replaces one of that name.
    #[napi]
    pub fn tag_set(
        &self,
        call: u32,
        store: u32,
        name: &[u8],
        hash: String,
        hash_seq: bool,
    ) -> napi::Result<()> {
        let name = Bytes::copy_from_slice(name);
        let content = HashAndFormat { hash: hash_of(&hash)?, format: format_of(hash_seq) };
        self.on_store(call, store, move |store, _| {
            store.set_tag(name, content)?;
            Ok(Event::done(call))
        })
    }

    /// OK with the one tag, packed.
    #[napi]
    pub fn tag_create(
        &self,
        call: u32,
        store: u32,
        hash: String,
        hash_seq: bool,
    ) -> napi::Result<()> {
        let content = HashAndFormat { hash: hash_of(&hash)?, format: format_of(hash_seq) };
        self.on_store(call, store, move |store, _| {
            Ok(Event::ok(call, Aux::Value(0), packed(&[store.create_tag(content)?])))
        })
    }

    /// OK with tags, packed: at most `limit`, those after the name `after`.
    #[napi]
    pub fn tag_list(
        &self,
        call: u32,
        store: u32,
        range: NativeTagRange,
        after: Option<&[u8]>,
        limit: u32,
    ) -> napi::Result<()> {
        let mut range = TagRange::from(range);
        if let Some(after) = after {
            // The first name behind it.
            let from = [after, &[0]].concat().into();
            range = range.and(TagRange { from, to: None, format: None });
        }
        self.on_store(call, store, move |store, _| {
            Ok(Event::ok(call, Aux::Value(0), packed(&store.tags(&range, limit as usize)?)))
        })
    }

    /// OK when it is renamed.
    #[napi]
    pub fn tag_rename(&self, call: u32, store: u32, from: &[u8], to: &[u8]) -> napi::Result<()> {
        let (from, to) = (Bytes::copy_from_slice(from), Bytes::copy_from_slice(to));
        self.on_store(call, store, move |store, _| {
            store.rename_tag(from, to)?;
            Ok(Event::done(call))
        })
    }

    /// OK with how many there were, as aux.
    #[napi]
    pub fn tag_delete(&self, call: u32, store: u32, range: NativeTagRange) -> napi::Result<()> {
        let range = TagRange::from(range);
        self.on_store(call, store, move |store, _| {
            let count = u32::try_from(store.delete_tags(range)?).unwrap_or(u32::MAX);
            Ok(Event::ok(call, Aux::Value(count), Bytes::new()))
        })
    }

    /// OK with what operations and batches hold: hash and format, 33 bytes each.
    #[napi]
    pub fn holds(&self, call: u32, store: u32) -> napi::Result<()> {
        self.on_store(call, store, move |store, _| {
            let mut held = store.held();
            held.sort_unstable_by_key(|content| (content.hash, content.format == BlobFormat::Raw));
            let body: Vec<u8> = held.iter().flat_map(HashAndFormat::to_bytes).collect();
            Ok(Event::ok(call, Aux::Value(0), body))
        })
    }
}
