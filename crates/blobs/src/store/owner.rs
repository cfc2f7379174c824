//! Who has a directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;

use super::error::io as failed;

/// A store's directory is ours while this lives. The lock is the system's, on the file `lock`: it goes with the process,
/// however that ends, and it stays when the catalog has to be opened again.
#[derive(Debug)]
pub(crate) struct Owner {
    locked: File,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A process that is started at this moment has copies of all our handles until it is another program, and a lock
        // ends with its last handle, unless it is given up (flock(2)).
        let _ = self.locked.unlock();
    }
}

impl Owner {
    /// `STORE_LOCKED` if somebody has it, here or in another process.
    pub(crate) fn claim(root: &Path) -> Result<Self, Failure> {
        let what = "the store's directory can't be locked";
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(root.join("lock")).map_err(|error| failed(what, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { locked: file }),
            Err(TryLockError::WouldBlock) => Err(locked()),
            // The file system has no locks; the catalog's own are the best there is.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Self { locked: file })
            }
            Err(TryLockError::Error(error)) => Err(failed(what, &error)),
        }
    }
}

pub(super) fn locked() -> Failure {
    let text = "the store is open already, here or in another process";
    Failure::new(ErrorCode::StoreLocked, text)
}
