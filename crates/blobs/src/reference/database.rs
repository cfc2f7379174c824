//! `blobs.db` of a directory, opened to be read.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;
use redb::{DatabaseError, ReadTransaction, ReadableDatabase};

use super::overlay::Overlay;
use crate::store::io_failed;

/// Bytes of the page cache.
const CACHE: usize = 32 << 20;

/// While it is open, redb lets nobody write the file.
pub(super) enum Database {
    /// As it was closed.
    Closed(redb::ReadOnlyDatabase),
    /// Its process died: it is repaired, in memory.
    Repaired(redb::Database),
}

impl Database {
    /// `STORE_LOCKED` if somebody has it open.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = || File::open(path).map_err(|error| io_failed(&shown(path), &error));
        // What is not there is told before redb has a word for it.
        drop(file()?);
        caught(path, || {
            let mut builder = redb::Builder::new();
            builder.set_cache_size(CACHE);
            match builder.open_read_only(path) {
                Ok(database) => return Ok(Self::Closed(database)),
                Err(DatabaseError::RepairAborted) => {}
                Err(error) => return Err(failure(path, error)),
            }
            let overlay = Overlay::new(file()?).map_err(|error| broken(path, error))?;
            let repaired = builder.create_with_backend(overlay);
            repaired.map(Self::Repaired).map_err(|error| failure(path, error))
        })
    }

    pub(super) fn begin_read(&self, path: &Path) -> Result<ReadTransaction, Failure> {
        let begun = match self {
            Self::Closed(database) => database.begin_read(),
            Self::Repaired(database) => database.begin_read(),
        };
        begun.map_err(|error| broken(path, error))
    }
}

fn failure(path: &Path, error: DatabaseError) -> Failure {
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            let text = format!("{} is open, here or in another process", shown(path));
            Failure::new(ErrorCode::StoreLocked, text)
        }
        error => broken(path, error),
    }
}

pub(super) fn broken(path: &Path, error: impl Into<redb::Error>) -> Failure {
    let text = format!("{} can't be read: {}", shown(path), error.into());
    Failure::new(ErrorCode::StoreFailed, text)
}

/// A panic of `work`, which is redb's way to speak of a damaged file, is a failure as well.
pub(super) fn caught<T>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let text = format!("{} is damaged", shown(path));
        Err(Failure::new(ErrorCode::StoreFailed, text))
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
