//! Failures of the store.

use std::io;

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;

/// A failure of the disk, with what it happened to.
pub(crate) fn io(what: &str, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        // A limit of the process or of the file system, that no retry gets over either.
        | io::ErrorKind::FileTooLarge => ErrorCode::StoreFull,
        _ => ErrorCode::StoreFailed,
    };
    Failure::new(code, format!("{what}: {error}"))
}

pub(crate) fn not_found(hash: &Hash) -> Failure {
    Failure::new(
        ErrorCode::BlobNotFound,
        format!("there is nothing of the blob {}", hash.fmt_short()),
    )
}

pub(crate) fn incomplete(hash: &Hash) -> Failure {
    let text = format!("only a part of the blob {} is here", hash.fmt_short());
    Failure::new(ErrorCode::BlobIncomplete, text)
}

pub(crate) fn corrupt(hash: &Hash, offset: u64) -> Failure {
    let text = format!("stored bytes of {} at {offset} do not match the hash", hash.fmt_short());
    Failure::new(ErrorCode::BlobCorrupt, text)
}

pub(crate) fn busy(limit: usize) -> Failure {
    let text = format!("{limit} blobs are being filled, and no more can be at once");
    Failure::new(ErrorCode::StoreBusy, text)
}

pub(crate) fn full(limit: u64) -> Failure {
    Failure::new(ErrorCode::StoreFull, format!("the store's limit of {limit} bytes is reached"))
}
