//! Faces `ts/blobs/directory.ts` and `ts/blobs/collection.ts`.

use std::path::PathBuf;

use gaiwan_base::Hash;
use gaiwan_blobs::{
    local::{Entry, Folder, load_collection, sized_entries, store_collection},
    proto::Collection,
};
use gaiwan_endpoint::Failure;
use napi_derive::napi;
use serde_json::{Value, json};

use super::{
    add::{NativeAddOptions, import_mode},
    piece::Piece,
    work::{hash_of, hashes_of, sayable, told},
};
use crate::{
    bridge::NativeBridge,
    queue::{Aux, Event},
};

fn entries(entries: &[Entry]) -> Result<Value, Failure> {
    let entry = |entry: &Entry| {
        Ok(json!({ "name": entry.name, "hash": entry.hash.to_hex(), "size": sayable(entry.size)? }))
    };
    entries.iter().map(entry).collect()
}

#[napi]
impl NativeBridge {
    /// OK with the regular files below a directory, an absolute path; with `names` their names as JSON.
    #[napi]
    pub fn folder_walk(
        &self,
        call: u32,
        store: u32,
        path: String,
        names: bool,
    ) -> napi::Result<()> {
        let (path, held) = (PathBuf::from(path), self.store_of(store)?);
        self.on_store(call, store, move |_, stop| {
            let folder = Folder::walk(&path, held.directory.as_deref(), &|| stop.check())?;
            let names = if names {
                let names: Vec<_> = folder.files().iter().map(|file| &*file.name).collect();
                json!(names).to_string()
            } else {
                String::new()
            };
            let piece = Piece::Folder(folder.into());
            Ok(Event::ok(call, Aux::Object(piece.object()), names))
        })
    }

    /// OK with `{hash, size, entries}`: the files as a collection. `keep` has a byte for each file, 0 leaves it out.
    #[napi]
    pub fn folder_import(
        &self,
        call: u32,
        store: u32,
        folder: u32,
        keep: Option<&[u8]>,
        reference: bool,
        options: NativeAddOptions,
    ) -> napi::Result<()> {
        let (mut folder, adding) = (self.folder_of(folder)?, self.adding(&options)?);
        let keep = keep.map(<[u8]>::to_vec);
        self.on_store(call, store, move |store, stop| {
            if let Some(keep) = keep {
                folder = folder.filtered(|n| keep.get(n).is_some_and(|keep| *keep != 0)).into();
            }
            adding.teller.total(folder.bytes());
            let imported =
                folder.import(store, import_mode(reference), &|phase, bytes, name| {
                    adding.teller.note(phase, bytes, Some(name));
                    stop.check()
                })?;
            let (list, _holds): (Vec<_>, Vec<_>) = imported.into_iter().unzip();
            let names = list.iter().map(|entry| (entry.name.clone(), entry.hash));
            let added = store_collection(store, &Collection::new(names))?;
            let mut answer = adding.settle(store, &added)?;
            answer["entries"] = entries(&list)?;
            Ok(told(call, &answer))
        })
    }

    /// OK with `{hash, size}`. `hashes` has 32 bytes for each name.
    #[napi]
    pub fn collection_create(
        &self,
        call: u32,
        store: u32,
        names: Vec<String>,
        hashes: &[u8],
        options: NativeAddOptions,
    ) -> napi::Result<()> {
        let (hashes, adding): (Vec<Hash>, _) = (hashes_of(hashes), self.adding(&options)?);
        self.on_store(call, store, move |store, _| {
            let added = store_collection(store, &Collection::new(names.into_iter().zip(hashes)))?;
            Ok(told(call, &adding.settle(store, &added)?))
        })
    }

    /// OK with `[{name, hash, size}]`.
    #[napi]
    pub fn collection_load(&self, call: u32, store: u32, hash: String) -> napi::Result<()> {
        let hash = hash_of(&hash)?;
        self.on_store(call, store, move |store, _| {
            let list = sized_entries(store, load_collection(store, &hash)?)?;
            Ok(told(call, &entries(&list)?))
        })
    }
}
