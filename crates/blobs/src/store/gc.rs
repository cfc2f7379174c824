//! What stays and what goes.

use std::{collections::HashSet, ops::Range};

use gaiwan_base::{BlobFormat, ErrorCode, Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use super::{Reader, Store, TagRange, error::incomplete};
use crate::proto::{Bitfield, HashSeqWindow, hash_seq_len};

/// Rows looked at, and removed, at a time.
const BATCH: usize = 256;

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs.
    pub deleted: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl Store {
    /// Removes what no tag, no running operation and nothing in `protect` holds. Whatever is written, tagged or held
    /// after it began is spared. If a hash sequence that keeps others can't be read in full nothing is removed, for then
    /// nobody knows what it keeps.
    pub fn gc(&self, protect: &[HashAndFormat]) -> Result<Collected, Failure> {
        self.check_changes()?;
        let _one = self.0.collecting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Holds first: an operation sets its tag before it lets go, so in this order nothing falls between.
        let held = self.holds().begin();
        let result = self.collect(&held, protect);
        self.holds().end();
        result
    }

    fn collect(
        &self,
        held: &[HashAndFormat],
        protect: &[HashAndFormat],
    ) -> Result<Collected, Failure> {
        let mut live = self.live(held, protect)?;
        let (mut after, mut collected) = (None, Collected::default());
        loop {
            let rows = self.catalog().read(|view| view.rows(after.as_ref(), BATCH))?;
            let Some((last, _)) = rows.last() else { return Ok(collected) };
            after = Some(*last);
            let mut dead: Vec<Hash> = rows.into_iter().map(|(hash, _)| hash).collect();
            loop {
                for root in self.holds().take_seqs() {
                    self.children(&root, |child| {
                        live.insert(child);
                    })?;
                }
                dead.retain(|hash| !live.contains(hash));
                match self.remove(&dead, Spare::Touched)? {
                    Removed::These(removed) => break collected.add(removed),
                    Removed::LookAgain => {}
                }
            }
        }
    }

    /// Everything that tags, `held` and `more` keep.
    fn live(
        &self,
        held: &[HashAndFormat],
        more: &[HashAndFormat],
    ) -> Result<HashSet<Hash>, Failure> {
        let tags = self.tags(&TagRange::default(), usize::MAX)?;
        let tagged = tags.into_iter().map(|tag| tag.content);
        let mut live = HashSet::new();
        let mut roots = HashSet::new();
        for content in held.iter().chain(more).copied().chain(tagged) {
            live.insert(content.hash);
            if content.format == BlobFormat::HashSeq && roots.insert(content.hash) {
                self.children(&content.hash, |child| {
                    live.insert(child);
                })?;
            }
        }
        Ok(live)
    }

    /// Calls `each` with the children of a hash sequence, a window at a time; nothing if none of it is here. Fails if not
    /// all of it can be read.
    pub(crate) fn children(&self, hash: &Hash, mut each: impl FnMut(Hash)) -> Result<(), Failure> {
        let reader = match self.reader(hash) {
            Ok(reader) => reader,
            Err(failure) if failure.code == ErrorCode::BlobNotFound => return Ok(()),
            Err(failure) => return Err(failure),
        };
        if !reader.field().is_complete() {
            return Err(incomplete(hash));
        }
        // What is no hash sequence keeps nothing but itself.
        let Some(count) = hash_seq_len(reader.size()) else { return Ok(()) };
        children_of(&reader, 0..count, |_, child| each(child))
    }

    /// The children of a hash sequence in `range`, with their indexes; those past its end are not there.
    pub(crate) fn children_in(
        &self,
        hash: &Hash,
        range: Range<u64>,
    ) -> Result<Vec<(u64, Hash)>, Failure> {
        let reader = self.reader(hash)?;
        let count = hash_seq_len(reader.size()).unwrap_or(0);
        let mut found = Vec::new();
        let range = range.start..range.end.min(count);
        children_of(&reader, range, |index, child| found.push((index, child)))?;
        Ok(found)
    }

    /// Deletes blobs, or none if something holds one of them (`BLOB_PROTECTED`). Absent ones are no error.
    pub fn delete(&self, hashes: &[Hash]) -> Result<Collected, Failure> {
        self.check_changes()?;
        let _one = self.0.collecting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let held = self.holds().begin();
        let result = self.delete_unheld(hashes, &held);
        self.holds().end();
        result
    }

    fn delete_unheld(&self, hashes: &[Hash], held: &[HashAndFormat]) -> Result<Collected, Failure> {
        let wanted: HashSet<Hash> = hashes.iter().copied().collect();
        let operation = || "a running operation or a batch".into();
        for content in held {
            self.refuse_if_kept(&wanted, content, &operation)?;
        }
        for tag in self.tags(&TagRange::default(), usize::MAX)? {
            let name = || format!("the tag {:?}", String::from_utf8_lossy(&tag.name));
            self.refuse_if_kept(&wanted, &tag.content, &name)?;
        }
        loop {
            for root in self.holds().take_seqs() {
                self.refuse_if_kept(&wanted, &HashAndFormat::hash_seq(root), &operation)?;
            }
            if let Removed::These(removed) = self.remove(hashes, Spare::AllIfOneIsTouched)? {
                return Ok(removed);
            }
        }
    }

    fn refuse_if_kept(
        &self,
        wanted: &HashSet<Hash>,
        content: &HashAndFormat,
        holder: &dyn Fn() -> String,
    ) -> Result<(), Failure> {
        let mut found = wanted.get(&content.hash).copied();
        if found.is_none() && content.format == BlobFormat::HashSeq {
            let read =
                self.children(&content.hash, |child| found = found.or(wanted.get(&child).copied()));
            match read {
                // Nobody knows what it keeps.
                Err(failure)
                    if matches!(
                        failure.code,
                        ErrorCode::BlobIncomplete | ErrorCode::BlobCorrupt
                    ) =>
                {
                    found = found.or(wanted.iter().next().copied());
                }
                other => other?,
            }
        }
        found.map_or(Ok(()), |hash| Err(protected(&hash, &holder())))
    }

    /// Rows first, files second: a crash in between leaves files that are swept when the store opens.
    fn remove(&self, hashes: &[Hash], spare: Spare) -> Result<Removed, Failure> {
        if hashes.is_empty() {
            return Ok(Removed::These(Collected::default()));
        }
        // Nobody stores one of them again until its files are gone.
        let _turns = self.turns().take_all(hashes);
        self.check_changes()?;
        let (holds, list) = (self.holds().clone(), hashes.to_vec());
        let removed = self.catalog().settle(move |tables| {
            // Asked in the change itself: what was acknowledged before it is spared.
            let Some(touched) = holds.spared(&list) else { return Ok(None) };
            if spare == Spare::AllIfOneIsTouched
                && let Some(hash) = touched.iter().next()
            {
                return Err(protected(hash, "a running operation or a batch"));
            }
            let mut removed = Vec::new();
            for hash in list.iter().filter(|hash| !touched.contains(*hash)) {
                if let Some(row) = tables.remove(hash)? {
                    removed.push((*hash, row));
                }
            }
            Ok(Some(removed))
        });
        self.holds().gone();
        let Some(removed) = removed? else { return Ok(Removed::LookAgain) };
        let mut collected = Collected::default();
        for (hash, row) in removed {
            // One that nobody writes and that could not be brought to the disk, else its row says it all.
            let bytes = match self.partials().take(&hash) {
                Some(partial) => partial.end(),
                None => row.bitfield().total_bytes(),
            };
            collected.add(Collected { deleted: 1, bytes });
            self.quota().give_back(bytes);
            self.tidy(&hash, None);
            self.watchers().tell(&hash, &Bitfield::empty());
        }
        Ok(Removed::These(collected))
    }
}

impl Collected {
    fn add(&mut self, more: Self) {
        self.deleted += more.deleted;
        self.bytes += more.bytes;
    }
}

/// What becomes of blobs that were written, held or tagged since the collection began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spare {
    Touched,
    AllIfOneIsTouched,
}

enum Removed {
    These(Collected),
    /// None: a hash sequence has come whose children are not known.
    LookAgain,
}

fn children_of(
    reader: &Reader,
    range: Range<u64>,
    mut each: impl FnMut(u64, Hash),
) -> Result<(), Failure> {
    let mut index = range.start;
    while index < range.end {
        let Some(bytes) = HashSeqWindow::bytes_of(index, reader.size()) else { break };
        let bytes = reader.read(bytes.start, bytes.end)?;
        let Some(window) = HashSeqWindow::parse(index, &bytes) else { break };
        let mut next = index;
        while next < range.end
            && let Some(child) = window.get(next)
        {
            each(next, child);
            next += 1;
        }
        if next == index {
            break;
        }
        index = next;
    }
    Ok(())
}

fn protected(hash: &Hash, holder: &str) -> Failure {
    let text = format!("the blob {} is held by {holder}", hash.fmt_short());
    Failure::new(ErrorCode::BlobProtected, text)
}
