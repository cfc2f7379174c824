//! A blob that is being filled, and the table of all such.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use bao_tree::ChunkNum;
use gaiwan_base::Hash;
use gaiwan_endpoint::Failure;

use super::{error::busy, source::Source};
use crate::{
    bao::groups_of,
    proto::{Bitfield, ChunkRanges},
};

/// Data and outboard.
pub(super) type Files = (Source, Source);

/// Shared by all who write one blob.
pub(crate) struct Partial(Mutex<State>);

/// Whoever has it locked waits for neither the catalog nor a turn: readers ask it, and so does the catalog's thread.
pub(super) struct State {
    pub(super) phase: Phase,
    /// What is there.
    pub(super) field: Bitfield,
    /// What of it is sure to be on disk: what is left if the disk fails.
    pub(super) safe: Bitfield,
    /// Opened with the first write.
    pub(super) files: Option<Files>,
    /// The right to have them open.
    pub(super) open: Option<Open>,
    /// Bytes since the last checkpoint.
    pub(super) dirty: u64,
    /// When that was.
    pub(super) checkpoint: Instant,
    /// Whether one is under way beside those who write.
    pub(super) beside: bool,
    /// How it ended; the next who writes hears it.
    pub(super) trouble: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Filling,
    /// Whoever completes it has the turn until the catalog has answered.
    Completing,
    /// It is complete, or deleted: what comes late is dropped.
    Over,
}

impl Partial {
    fn new(field: Bitfield) -> Self {
        Self(Mutex::new(State {
            phase: Phase::Filling,
            safe: field.clone(),
            field,
            files: None,
            open: None,
            dirty: 0,
            checkpoint: Instant::now(),
            beside: false,
            trouble: None,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there.
    pub(crate) fn field(&self) -> Bitfield {
        self.lock().field.clone()
    }

    /// What is there and where it can be read, if anything was written.
    pub(super) fn files(&self) -> Option<(Bitfield, Files)> {
        let state = self.lock();
        state.files.clone().map(|files| (state.field.clone(), files))
    }

    /// Nothing that comes from now on is kept; answers how many bytes are there.
    pub(super) fn end(&self) -> u64 {
        let mut state = self.lock();
        state.phase = Phase::Over;
        state.field.total_bytes()
    }
}

impl State {
    /// Whether there is something to bring to the disk. What is being completed is, with all the rest.
    pub(super) fn has_news(&self) -> bool {
        self.dirty > 0 && self.phase == Phase::Filling && !self.field.is_complete()
    }

    /// Nothing but this is there any more; answers how many bytes are gone.
    pub(super) fn shrink(&mut self, field: Bitfield) -> u64 {
        let before = self.field.total_bytes();
        self.field = field;
        before.saturating_sub(self.field.total_bytes())
    }
}

/// Without its last group, so that whoever tries again has something to bring.
pub(super) fn without_last_group(field: &Bitfield) -> Bitfield {
    let last = ChunkNum((groups_of(field.size()) - 1) * 16);
    Bitfield::new(field.size(), field.ranges() - &ChunkRanges::from(last..))
}

struct Entry {
    partial: Arc<Partial>,
    writers: usize,
}

/// Blobs that are being filled. Its lock comes before that of a [`Partial`].
#[derive(Clone, Default)]
pub(crate) struct Partials {
    table: Arc<Mutex<HashMap<Hash, Entry>>>,
    /// How many have files open.
    open: Arc<AtomicUsize>,
}

/// One of the blobs that have files open, until it is dropped.
pub(super) struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Partials {
    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right of one more to have files open, `STORE_BUSY` if so many have it already.
    pub(super) fn open(&self, limit: usize) -> Result<Open, Failure> {
        let taken = self.open.fetch_update(Relaxed, Relaxed, |n| (n < limit).then_some(n + 1));
        taken.map(|_| Open(self.open.clone())).map_err(|_| busy(limit))
    }

    pub(super) fn get(&self, hash: &Hash) -> Option<Arc<Partial>> {
        self.lock().get(hash).map(|entry| entry.partial.clone())
    }

    pub(super) fn all(&self) -> Vec<(Hash, Arc<Partial>)> {
        let table = self.lock();
        table.iter().map(|(hash, entry)| (*hash, entry.partial.clone())).collect()
    }

    /// One more who writes; `field` is what the catalog knows.
    pub(super) fn enter(&self, hash: Hash, field: Bitfield) -> Arc<Partial> {
        let mut table = self.lock();
        let new = || Entry { partial: Arc::new(Partial::new(field)), writers: 0 };
        let entry = table.entry(hash).or_insert_with(new);
        entry.writers += 1;
        entry.partial.clone()
    }

    /// One less; whether it was the last. The entry stays meanwhile: whoever comes goes on with it.
    pub(super) fn leave(&self, hash: &Hash, partial: &Arc<Partial>) -> bool {
        let mut table = self.lock();
        let entry = table.get_mut(hash).filter(|entry| Arc::ptr_eq(&entry.partial, partial));
        entry.is_some_and(|entry| {
            entry.writers -= 1;
            entry.writers == 0
        })
    }

    /// Takes it out if nobody writes it and all of it is in the catalog.
    pub(super) fn forget(&self, hash: &Hash, partial: &Arc<Partial>) {
        let mut table = self.lock();
        let idle = |entry: &Entry| {
            let state = entry.partial.lock();
            entry.writers == 0 && state.phase == Phase::Filling && state.dirty == 0
        };
        if table.get(hash).is_some_and(|entry| Arc::ptr_eq(&entry.partial, partial) && idle(entry))
        {
            table.remove(hash);
        }
    }

    /// Takes it out: the blob is complete, or gone. Those who write it still have it, and are told by its phase.
    pub(super) fn take(&self, hash: &Hash) -> Option<Arc<Partial>> {
        self.lock().remove(hash).map(|entry| entry.partial)
    }
}
