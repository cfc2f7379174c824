//! Bytes from peers: they were checked, and come in any order, from any number of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use super::{
    Store,
    batch::Batch,
    catalog::Pending,
    error::io,
    finish::Finish,
    holds::Hold,
    partial::{Files, Partial, Phase},
    place::Kind,
    record::{DataAt, OutboardAt, Record},
    source::Source,
    turns::Turn,
};
use crate::{
    bao::{ReadAt, outboard_bytes},
    proto::{Bitfield, ChunkRanges},
};

/// Progress is brought to the disk whenever so much has come, or after so long.
const CHECKPOINT_BYTES: u64 = 64 << 20;
const CHECKPOINT: Duration = Duration::from_secs(5);
/// So many times that may be on its way to the disk before anyone waits.
const BEHIND: u64 = 4;

/// The right to fill a blob. While one lives the blob is not collected; when the last goes, progress is on disk.
pub struct Writer {
    store: Store,
    hash: Hash,
    partial: Arc<Partial>,
    _hold: Hold,
}

/// What became of a batch.
pub enum Written {
    /// More is missing.
    More,
    /// The blob is complete once this is on disk.
    Complete(Pending<()>),
    /// It is complete, or gone, and what came is dropped.
    Known,
}

impl Store {
    /// The right to fill a blob; `None` if it is complete.
    pub fn writer(&self, hash: Hash) -> Result<Option<Writer>, Failure> {
        self.check_changes()?;
        if hash == Hash::EMPTY {
            return Ok(None);
        }
        // Held first: a collection that begins now spares it, and one that has just taken it has the turn.
        let hold = self.hold(HashAndFormat::raw(hash));
        let _turn = self.turns().take(&hash);
        let row = self.catalog().get(&hash)?;
        if row.as_ref().is_some_and(Record::is_complete) {
            return Ok(None);
        }
        let field = row.map_or_else(Bitfield::empty, |row| row.bitfield());
        let partial = self.partials().enter(hash, field);
        Ok(Some(Writer { store: self.clone(), hash, partial, _hold: hold }))
    }

    /// What is claimed after a crash is what is on disk now, or what another is bringing there at this moment.
    fn checkpoint(&self, hash: &Hash, partial: &Partial) -> Result<(), Failure> {
        // Asked first, for the turn can take as long as the catalog.
        if partial.lock().has_news() { self.checkpoint_last(hash, partial) } else { Ok(()) }
    }

    /// As `checkpoint`, and whoever is bringing progress to the disk has ended: it has the turn until its row is there.
    pub(super) fn checkpoint_last(&self, hash: &Hash, partial: &Partial) -> Result<(), Failure> {
        let _turn = self.turns().take(hash);
        let (data, outboard, field, dirty) = {
            let mut state = partial.lock();
            if !state.has_news() {
                return Ok(());
            }
            let Some((data, outboard)) = state.files.clone() else { return Ok(()) };
            state.checkpoint = Instant::now();
            (data, outboard, state.field.clone(), std::mem::take(&mut state.dirty))
        };
        let place = self.place();
        let synced = place
            .sync(&data)
            .and_then(|()| place.sync(&outboard))
            .and_then(|()| place.sync_names())
            .map_err(|error| io("a file of the store can't be brought to the disk", &error));
        if let Err(failure) = synced {
            let mut state = partial.lock();
            // Nobody knows what the disk has of the rest (fsync(2), EIO).
            let safe = state.safe.clone();
            let lost = state.shrink(safe);
            self.quota().give_back(lost);
            self.watchers().tell(hash, &state.field);
            return Err(failure);
        }
        let written = self.put_partial(hash, &field).wait();
        let mut state = partial.lock();
        match written {
            Ok(()) => state.safe = field,
            Err(_) => state.dirty += dirty,
        }
        written
    }

    /// Sets the row of a partial blob; one that is complete stays so.
    fn put_partial(&self, hash: &Hash, field: &Bitfield) -> Pending<()> {
        let (hash, row) = (*hash, Record::partial(field));
        self.catalog().submit(move |tables| {
            if tables.get(&hash)?.is_some_and(|known| known.is_complete()) {
                return Ok(());
            }
            tables.put(&hash, &row, None, None)
        })
    }
}

impl Writer {
    /// Adds what was checked of a blob that is claimed to have `size` bytes. A failure leaves what was there usable, and
    /// the same batch can be written again.
    pub fn write(&self, size: u64, batch: &Batch) -> Result<Written, Failure> {
        loop {
            self.store.check_changes()?;
            let (phase, files) = {
                let state = self.partial.lock();
                (state.phase, state.files.clone())
            };
            let written = match (phase, files) {
                (Phase::Over, _) => return Ok(Written::Known),
                (Phase::Completing, _) => {
                    // Known when it is on disk, else this goes on.
                    drop(self.store.turns().take(&self.hash));
                    None
                }
                (Phase::Filling, Some(files)) => self.add(&files, size, batch)?,
                (Phase::Filling, None) => self.begin(size, batch)?,
            };
            if let Some(written) = written {
                return Ok(written);
            }
        }
    }

    /// Opens the files, or stores a small blob that is all there. `None`: it goes on.
    fn begin(&self, size: u64, batch: &Batch) -> Result<Option<Written>, Failure> {
        let store = &self.store;
        let turn = store.turns().take(&self.hash);
        {
            let state = self.partial.lock();
            if state.phase != Phase::Filling || state.files.is_some() {
                return Ok(None);
            }
        }
        store.check_changes()?;
        let known = store.catalog().get(&self.hash)?;
        if known.is_none() {
            let all = Bitfield::new(size, batch.chunks()).is_complete();
            if all && size <= store.options().inline_data_bytes {
                return self.complete_small(turn, size, batch).map(Some);
            }
        }
        // Asked before anything is promised or made.
        let right = store.partials().open(store.options().max_filling)?;
        if known.is_none() {
            // A file without a row is swept when the store opens. Nobody waits: a row that comes too late, or never,
            // costs no more than this progress.
            drop(store.put_partial(&self.hash, &Bitfield::new(size, ChunkRanges::empty())));
        }
        let open = |kind| {
            let opened = store.place().open_partial(&self.hash, kind);
            opened.map_err(|error| io("a file of the store can't be opened", &error))
        };
        let files = (open(Kind::Data)?, open(Kind::Outboard)?);
        let mut state = self.partial.lock();
        (state.files, state.open) = (Some(files), Some(right));
        Ok(None)
    }

    /// Adds to the files. `None`: somebody completes it meanwhile.
    fn add(&self, files: &Files, size: u64, batch: &Batch) -> Result<Option<Written>, Failure> {
        let (store, (data, outboard)) = (&self.store, files);
        let reserved = store.reserve(batch.bytes())?;
        let write = |target: &Source, runs: &[(u64, Vec<u8>)]| {
            runs.iter().try_for_each(|(offset, bytes)| target.write_at(*offset, bytes))
        };
        write(outboard, batch.pairs())
            .and_then(|()| write(data, batch.data()))
            .map_err(|error| io("a file of the store can't be written", &error))?;
        let (complete, due) = {
            let mut state = self.partial.lock();
            if state.phase != Phase::Filling {
                return Ok(None);
            }
            let before = state.field.total_bytes();
            let changed = state.field.update(&Bitfield::new(size, batch.chunks()));
            reserved.keep(state.field.total_bytes().saturating_sub(before));
            state.dirty += batch.bytes();
            let complete = state.field.is_complete();
            // Complete it is when the disk has it.
            if changed && !complete {
                store.watchers().tell(&self.hash, &state.field);
            }
            let due = state.dirty >= CHECKPOINT_BYTES || state.checkpoint.elapsed() >= CHECKPOINT;
            (complete, due)
        };
        store.holds().touch(&self.hash);
        if complete {
            return self.complete(files).map(Some);
        }
        if due {
            self.checkpoint_beside()?;
        }
        Ok(Some(Written::More))
    }

    /// Brings progress to the disk while more is written. A disk that falls far behind is waited for: what a crash may
    /// cost stays bounded.
    fn checkpoint_beside(&self) -> Result<(), Failure> {
        let (store, hash, partial) = (self.store.clone(), self.hash, self.partial.clone());
        {
            let mut state = self.partial.lock();
            if let Some(failure) = state.trouble.take() {
                return Err(failure);
            }
            if state.beside && state.dirty < BEHIND * CHECKPOINT_BYTES {
                return Ok(());
            }
            if state.beside {
                drop(state);
                return store.checkpoint(&hash, &partial);
            }
            state.beside = true;
        }
        let work = move || {
            let result = store.checkpoint(&hash, &partial);
            let mut state = partial.lock();
            state.beside = false;
            state.trouble = result.err();
        };
        let thread = std::thread::Builder::new().name("gaiwan-sync".into()).spawn(work);
        if thread.is_err() {
            self.partial.lock().beside = false;
            return self.store.checkpoint(&self.hash, &self.partial);
        }
        Ok(())
    }

    /// A blob that goes into the catalog at once and never meets a file.
    fn complete_small(&self, turn: Turn, size: u64, batch: &Batch) -> Result<Written, Failure> {
        let reserved = self.store.reserve(size)?;
        let mut finish = self.finish(turn, size);
        finish.count_then(reserved);
        let bytes = joined(batch.data(), size);
        let pairs = joined(batch.pairs(), outboard_bytes(size));
        let outboard = if pairs.is_empty() { OutboardAt::Nowhere } else { OutboardAt::Inline };
        let row = Record::Complete { size, data: DataAt::Inline, outboard };
        self.store.holds().touch(&self.hash);
        Ok(self.submit(finish, row, Some(bytes), Some(pairs)))
    }

    /// Bytes first, then the row that speaks of them.
    fn complete(&self, (data, outboard): &Files) -> Result<Written, Failure> {
        let store = &self.store;
        let turn = store.turns().take(&self.hash);
        let size = {
            let state = self.partial.lock();
            if state.phase != Phase::Filling {
                return Ok(Written::Known);
            }
            if !state.field.is_complete() {
                let text = "the blob could not be completed";
                return Err(Failure::new(ErrorCode::StoreFailed, text));
            }
            state.field.size()
        };
        let mut finish = self.finish(turn, size);
        store.check_changes()?;
        let (place, options) = (store.place(), store.options());
        let failed = |error| io("a file of the store can't be brought to the disk", &error);
        let pairs = outboard_bytes(size);
        // Bytes go into the catalog only where its answer means that they are on disk: then their file goes.
        let data_inline = place.is_durable() && size <= options.inline_data_bytes;
        let pairs_inline = data_inline
            || pairs == 0
            || (place.is_durable() && pairs <= options.inline_outboard_bytes);
        let read = |source: &Source, length: u64| {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            source.read_at(0, &mut bytes).map_err(failed).map(|()| bytes)
        };
        let bytes = if data_inline { Some(read(data, size)?) } else { None };
        let proofs = if pairs_inline { Some(read(outboard, pairs)?) } else { None };
        if !data_inline {
            place.sync(data).map_err(failed)?;
        }
        if !pairs_inline {
            place.sync(outboard).map_err(failed)?;
        }
        place.sync_names().map_err(failed)?;
        finish.bytes_are_safe();
        let row = Record::Complete {
            size,
            data: if data_inline { DataAt::Inline } else { DataAt::Owned },
            outboard: match (pairs, pairs_inline) {
                (0, _) => OutboardAt::Nowhere,
                (_, true) => OutboardAt::Inline,
                (_, false) => OutboardAt::Owned,
            },
        };
        finish.remove_then(data_inline.then_some(Kind::Data));
        finish.remove_then(pairs_inline.then_some(Kind::Outboard));
        Ok(self.submit(finish, row, bytes, proofs))
    }

    fn finish(&self, turn: Turn, size: u64) -> Finish {
        Finish::begin(self.store.parts().clone(), self.hash, size, self.partial.clone(), turn)
    }

    fn submit(
        &self,
        finish: Finish,
        row: Record,
        data: Option<Vec<u8>>,
        pairs: Option<Vec<u8>>,
    ) -> Written {
        let hash = self.hash;
        let pairs = pairs.filter(|pairs| !pairs.is_empty());
        Written::Complete(self.store.catalog().submit_then(
            move |tables| tables.put(&hash, &row, data.as_deref(), pairs.as_deref()),
            move |result| finish.end(result.is_ok()),
        ))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let partials = self.store.partials();
        if partials.leave(&self.hash, &self.partial) {
            let (beside, trouble) = {
                let mut state = self.partial.lock();
                (state.beside, state.trouble.take())
            };
            if let Some(failure) = trouble {
                tracing::warn!(%failure, "progress of a partial blob was not on the disk");
            }
            // One that has begun beside those who write, or is about to, is waited for.
            let last = if beside { Store::checkpoint_last } else { Store::checkpoint };
            if let Err(failure) = last(&self.store, &self.hash, &self.partial) {
                tracing::warn!(%failure, "progress of a partial blob is not on the disk");
            }
            partials.forget(&self.hash, &self.partial);
        }
    }
}

/// Runs in their places.
fn joined(runs: &[(u64, Vec<u8>)], length: u64) -> Vec<u8> {
    let mut all = vec![0; usize::try_from(length).unwrap_or(0)];
    for (offset, run) in runs {
        let place = usize::try_from(*offset).ok().and_then(|start| all.get_mut(start..));
        for (to, from) in place.into_iter().flatten().zip(run) {
            *to = *from;
        }
    }
    all
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
