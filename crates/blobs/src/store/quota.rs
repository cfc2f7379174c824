//! How many bytes the store may hold.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use gaiwan_endpoint::Failure;

use super::error::full;

/// Bytes of all blobs, and the limit.
#[derive(Clone)]
pub(crate) struct Quota {
    used: Arc<AtomicU64>,
    limit: Option<u64>,
}

impl Quota {
    pub(crate) fn new(used: u64, limit: Option<u64>) -> Self {
        Self { used: Arc::new(AtomicU64::new(used)), limit }
    }

    /// Room for `bytes`, or `STORE_FULL`.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<Reserved, Failure> {
        let limit = self.limit.unwrap_or(u64::MAX);
        let taken = self.used.fetch_update(Relaxed, Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| *sum <= limit)
        });
        taken.map_err(|_| full(limit))?;
        Ok(Reserved { quota: self.clone(), bytes })
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        // Never below zero: a size that was only claimed may have been wrong.
        let _ = self.used.fetch_update(Relaxed, Relaxed, |used| Some(used.saturating_sub(bytes)));
    }

    /// Bytes of all blobs.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }
}

/// Room that is given back unless it is kept.
pub(crate) struct Reserved {
    quota: Quota,
    bytes: u64,
}

impl Reserved {
    /// Takes more room, or `STORE_FULL`.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), Failure> {
        let mut more = self.quota.reserve(bytes)?;
        self.bytes += std::mem::take(&mut more.bytes);
        Ok(())
    }

    /// So much of it is in use now.
    pub(crate) fn keep(mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.quota.give_back(self.bytes);
    }
}
