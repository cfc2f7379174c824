//! The hash of a file that is in no store.

use std::{
    fs, io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;

use crate::{
    bao::{Hashed, Pairs, hash_tree},
    store::{Phase, Progress, open_regular},
};

struct Nowhere;

impl Pairs for Nowhere {
    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// BLAKE3 of a regular file and its bytes, on all cores. `STORE_FAILED` if it can't be read.
pub fn hash_file(path: &Path, progress: Progress<'_>) -> Result<(Hash, u64), Failure> {
    let broken = |error: io::Error| {
        Failure::new(ErrorCode::StoreFailed, format!("{}: {error}", path.display()))
    };
    let real = fs::canonicalize(path).map_err(broken)?;
    let file = open_regular(&real).map_err(broken)?;
    let size = file.metadata().map_err(broken)?.len();
    let refused = Mutex::new(None);
    let note = |bytes| {
        progress(Phase::Hash, bytes).map_err(|failure| {
            *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            io::Error::other("given up")
        })
    };
    let hashed = hash_tree(&file, size, &Nowhere, &note);
    if let Some(failure) = refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    let Hashed { hash, size } = hashed.map_err(broken)?;
    Ok((Hash::from_bytes(hash), size))
}
