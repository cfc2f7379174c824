//! The database behind the catalog, that is opened again after a failure of the disk.

use std::{
    fs::{self, File},
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;
use redb::{DatabaseError, backends::InMemoryBackend};

use super::{error::io as io_failed, owner::locked};

/// Bytes of the page cache.
const CACHE: usize = 32 << 20;
/// A disk that was of no use is left in peace for so long.
const RETRY: Duration = Duration::from_millis(500);
/// A database that is being made is smaller.
const UNBORN: u64 = 16 << 20;

/// redb, which after one failed read or write does nothing more until it is opened again (redb 4.6,
/// `StorageError::PreviousIo`). Here that happens with the next use: a full disk is no reason to restart.
pub(super) struct Database {
    /// `None`: in memory.
    path: Option<PathBuf>,
    opened: RwLock<Option<redb::Database>>,
    broken: AtomicBool,
    closed: AtomicBool,
    /// When it last could not be opened again, and why.
    refused: Mutex<Option<(Instant, Failure)>>,
}

impl Database {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self::new(Some(path.into()), open(path)?))
    }

    pub(super) fn memory() -> Result<Self, Failure> {
        let database = redb::Database::builder()
            .set_cache_size(1 << 20)
            .create_with_backend(InMemoryBackend::new())
            .map_err(broken)?;
        Ok(Self::new(None, database))
    }

    fn new(path: Option<PathBuf>, database: redb::Database) -> Self {
        Self {
            path,
            opened: RwLock::new(Some(database)),
            broken: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            refused: Mutex::default(),
        }
    }

    /// Uses the database; `STORE_CLOSED` after `close`. A panic in `work`, which is redb's way to speak of a damaged file,
    /// is a failure as well.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&redb::Database) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.broken.load(Relaxed) {
            self.reopen()?;
        }
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        match &*opened {
            Some(database) => caught(|| work(database)),
            None => Err(closed()),
        }
    }

    /// A read or write failed: it is opened again before it is used again.
    pub(super) fn suspect(&self) {
        if self.path.is_some() {
            self.broken.store(true, Relaxed);
        }
    }

    fn reopen(&self) -> Result<(), Failure> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Relaxed) || !self.broken.load(Relaxed) {
            return Ok(());
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, failure)) = &*refused
            && when.elapsed() < RETRY
        {
            return Err(failure.clone());
        }
        // The old one first: it has the file locked.
        *opened = None;
        match open(path) {
            Ok(database) => {
                *opened = Some(database);
                *refused = None;
                self.broken.store(false, Relaxed);
                Ok(())
            }
            Err(failure) => {
                *refused = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    /// Waits for those who use it, and gives the file up.
    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = opened.take() {
            let closed = caught(|| database.close().map_err(broken));
            if let Err(failure) = closed {
                tracing::warn!(%failure, "the catalog was not closed well; it is repaired when it is opened");
            }
        }
    }
}

fn open(path: &Path) -> Result<redb::Database, Failure> {
    let failed = |error| io_failed("the catalog can't be opened", &error);
    if is_unborn(path).map_err(failed)? {
        fs::remove_file(path).map_err(failed)?;
    }
    caught(|| {
        let database = redb::Database::builder().set_cache_size(CACHE).create(path);
        database.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => locked(),
            error => broken(error),
        })
    })
}

/// Whether a process died while it made the file: redb writes its magic number last of all (redb 4.6,
/// `page_manager.rs`), and takes no file without one. Nothing was ever kept in it.
fn is_unborn(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    let size = file.metadata()?.len();
    if size == 0 || size > UNBORN {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    file.take(UNBORN).read_to_end(&mut bytes)?;
    // But for its header it holds nothing.
    let (header, rest) = bytes.split_at(bytes.len().min(4096));
    Ok(header.iter().take(9).chain(rest).all(|byte| *byte == 0))
}

fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(failed("the catalog failed", "it is damaged")))
}

/// A failure of the database; a full disk has a code of its own.
pub(super) fn broken(error: impl Into<redb::Error>) -> Failure {
    match error.into() {
        redb::Error::Io(error) => io_failed("the catalog", &error),
        error => failed("the catalog failed", error),
    }
}

pub(super) fn failed(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorCode::StoreFailed, format!("{what}: {error}"))
}

pub(super) fn closed() -> Failure {
    Failure::new(ErrorCode::StoreClosed, "the store is closed")
}
