//! What becomes of every row.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use super::{
    Directory, part,
    tables::{Kind, Row, State},
};
use crate::{
    bao::ReadAt,
    local::for_each,
    store::{ImportMode, Later, Phase, Source, Store, Tag, io_failed},
};

/// Small blobs that one thread leaves to one flush, and tags of one change.
const UNFLUSHED: usize = 256;
const TAGS: usize = 1024;

/// What came in; what was there before is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// That are complete now.
    pub blobs: u64,
    /// Of all that came in.
    pub bytes: u64,
    /// Of which a part came in.
    pub partial: u64,
    /// That are new.
    pub tags: u64,
    /// What did not come in, or not all of it.
    pub failed: Vec<Failed>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Which blob.
    pub hash: Hash,
    /// Why, for people.
    pub message: String,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// So many bytes more of a blob.
    Bytes(Phase, u64, &'a Hash),
    /// One row more is done with.
    Blob,
}

/// Hears of every step, from several threads; an error of it ends the import.
pub(super) type Tell<'a> = &'a (dyn Fn(Step<'_>) -> Result<(), Failure> + Sync);

/// Brings everything of `from` into `store`, but for what it has already: so it can be run again after whatever ended it.
/// `mode` is for files of the user alone; what the directory owns is copied.
///
/// A blob that can't be brought is told in the answer, with what of it is good in the store, and the others go on. None is
/// collected meanwhile; afterwards their tags keep them. Those are set last of all and as they are, also for what is not
/// there, as the reference keeps them. One whose name is in use for something else is told, and that stays.
pub fn import_directory(
    store: &Store,
    from: &Directory,
    mode: ImportMode,
    tell: Tell<'_>,
) -> Result<Imported, Failure> {
    let hold = |row: &Row| store.hold(HashAndFormat::raw(row.hash));
    let _holds: Vec<_> = from.rows.iter().map(hold).collect();
    let run = Run { store, from, mode, tell, done: Mutex::default() };
    let flush = |later: Vec<Later>| run.flush(later);
    let row = |later: &mut Vec<Later>, n: usize| {
        let Some(row) = from.rows.get(n) else { return Ok(()) };
        run.row(row, later)?;
        if later.len() >= UNFLUSHED { run.flush(std::mem::take(later)) } else { Ok(()) }
    };
    for_each(from.rows.len(), Vec::new, row, flush)?;
    let mut done = run.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.failed.sort_unstable_by_key(|failed| failed.hash);
    for tags in from.tags.chunks(TAGS) {
        let (added, taken) = store.add_tags(tags.to_vec())?;
        done.tags += added;
        done.failed.extend(taken.iter().map(in_use));
    }
    Ok(done)
}

fn in_use(tag: &Tag) -> Failed {
    let name = tag.name.escape_ascii();
    let message = format!("the tag \"{name}\" is there already and keeps something else");
    Failed { hash: tag.content.hash, message }
}

pub(super) struct Run<'a> {
    pub(super) store: &'a Store,
    pub(super) from: &'a Directory,
    pub(super) mode: ImportMode,
    pub(super) tell: Tell<'a>,
    done: Mutex<Imported>,
}

/// What a row came to.
pub(super) enum Outcome {
    /// It was there.
    Known,
    /// So many bytes came in, and it is complete.
    Whole(u64),
    /// It came in, and is not on the disk yet.
    Later(Later),
    /// So many bytes came in, and more is missing.
    Part(u64),
    /// That should be more.
    Less(u64, String),
}

impl Run<'_> {
    fn row(&self, row: &Row, later: &mut Vec<Later>) -> Result<(), Failure> {
        let share = Share { run: self, row, told: AtomicU64::new(0) };
        let outcome = match &row.state {
            Some(State::Complete { data, outboard }) => share.complete(data, *outboard),
            Some(State::Partial { size }) => share.partial(*size),
            None => Ok(Outcome::Less(0, "its row is of another version, or damaged".into())),
        };
        let outcome = match outcome {
            Err(failure) if is_of_blob(&failure) => Outcome::Less(0, failure.message),
            outcome => outcome?,
        };
        {
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Outcome::Known | Outcome::Part(0) => {}
                Outcome::Whole(bytes) => {
                    done.blobs += 1;
                    done.bytes += bytes;
                }
                Outcome::Later(one) => later.push(one),
                Outcome::Part(bytes) => {
                    done.partial += 1;
                    done.bytes += bytes;
                }
                Outcome::Less(bytes, message) => {
                    done.partial += u64::from(bytes > 0);
                    done.bytes += bytes;
                    done.failed.push(Failed { hash: row.hash, message });
                }
            }
        }
        share.note(Phase::Hash, u64::MAX)?;
        (self.tell)(Step::Blob)
    }

    /// Waits until they are on the disk.
    fn flush(&self, later: Vec<Later>) -> Result<(), Failure> {
        for Later { added, pending } in later {
            if let Some(pending) = pending {
                pending.wait()?;
            }
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            done.blobs += 1;
            done.bytes += added.size;
        }
        Ok(())
    }
}

/// Whether the others can go on.
pub(super) fn is_of_blob(failure: &Failure) -> bool {
    matches!(failure.code, ErrorCode::StoreFailed | ErrorCode::HashMismatch)
}

/// One row, and how much of its share in the whole was told.
pub(super) struct Share<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) row: &'a Row,
    told: AtomicU64,
}

impl Share<'_> {
    /// Tells of bytes; what is hashed makes up the whole, and is never told to be more than that.
    pub(super) fn note(&self, phase: Phase, bytes: u64) -> Result<(), Failure> {
        let bytes = if phase == Phase::Hash {
            let most = |told: u64| Some(told.saturating_add(bytes).min(self.row.bytes));
            let before = self.told.fetch_update(Relaxed, Relaxed, most).unwrap_or(0);
            bytes.min(self.row.bytes.saturating_sub(before))
        } else {
            bytes
        };
        (self.run.tell)(Step::Bytes(phase, bytes, &self.row.hash))
    }

    /// What of a partial blob is good. The size is a claim, until it is proven: the last one that was written.
    fn partial(&self, size: Option<u64>) -> Result<Outcome, Failure> {
        let (hash, from) = (&self.row.hash, self.run.from);
        if self.run.store.keeps(hash, ImportMode::Reference)? {
            return Ok(Outcome::Known);
        }
        let open = |kind| {
            let path = from.file(hash, kind);
            open(&path).map_err(|error| io_failed(&path.display().to_string(), &error))
        };
        let size = match size {
            Some(size) => size,
            None => last_claim(&open(Kind::Sizes)?),
        };
        let data = open(Kind::Data)?;
        let pairs = open(Kind::Outboard).unwrap_or_else(|_| Source::empty());
        let brought = part::bring(self, size, &data, &pairs)?;
        Ok(if brought.is_complete {
            Outcome::Whole(brought.bytes)
        } else if brought.bytes == 0 && self.run.store.bitfield(hash)?.is_empty() {
            Outcome::Less(0, "nothing of it can be proven".into())
        } else {
            Outcome::Part(brought.bytes)
        })
    }
}

/// Opens a file that is only read.
pub(super) fn open(path: &std::path::Path) -> std::io::Result<Source> {
    let real = std::fs::canonicalize(path)?;
    Ok(Source::File(crate::store::open_regular(&real)?.into()))
}

/// 0 if there is none: then nothing can be proven.
fn last_claim(sizes: &Source) -> u64 {
    let Source::File(file) = sizes else { return 0 };
    let length = file.metadata().map_or(0, |metadata| metadata.len() & !7);
    let mut claim = [0; 8];
    match length.checked_sub(8).map(|at| sizes.read_at(at, &mut claim)) {
        Some(Ok(())) => u64::from_le_bytes(claim),
        _ => 0,
    }
}
