//! Faces `ts/blobs/hash.ts`.

use std::path::PathBuf;

use gaiwan_base::Hash;
use gaiwan_blobs::local::hash_file;
use napi_derive::napi;
use serde_json::json;

use super::work::{hash_of, offload, told};
use crate::bridge::NativeBridge;

/// Reads a hash as hex or base32 and answers lowercase hex; throws a plain Error when malformed.
#[napi]
pub fn parse_hash(text: String) -> napi::Result<String> {
    Ok(hash_of(&text)?.to_hex())
}

/// BLAKE3 of bytes in memory, lowercase hex.
#[napi]
pub fn hash_bytes(data: &[u8]) -> String {
    Hash::from_bytes(gaiwan_blobs::bao::hash_subtree(0, data, true)).to_hex()
}

#[napi]
impl NativeBridge {
    /// OK with `{hash, size}` of a file, an absolute path.
    #[napi]
    pub fn hash_file(&self, call: u32, path: String) -> napi::Result<()> {
        let path = PathBuf::from(path);
        offload(self.core()?, call, move |stop| {
            let (hash, size) = hash_file(&path, &|_, _| stop.check())?;
            Ok(told(call, &json!({ "hash": hash.to_hex(), "size": size })))
        });
        Ok(())
    }
}
