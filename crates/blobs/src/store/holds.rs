//! What running operations and batches hold against collection.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gaiwan_base::{BlobFormat, Hash, HashAndFormat};

#[derive(Default)]
struct Table {
    counts: HashMap<HashAndFormat, usize>,
    /// `None` while no collection runs.
    since: Option<Since>,
    /// Blobs of which it is decided that they go, and whose rows are still seen.
    going: HashSet<Hash>,
}

/// What happened since a collection began.
#[derive(Default)]
struct Since {
    /// Written, held or tagged.
    touched: HashSet<Hash>,
    /// Hash sequences that were held, tagged, or written while they were held: the collection must look at their
    /// children before it removes anything more.
    seqs: Vec<Hash>,
}

impl Table {
    fn touch(&mut self, hash: &Hash, as_seq: bool) {
        let as_seq = as_seq || self.counts.contains_key(&HashAndFormat::hash_seq(*hash));
        if let Some(since) = &mut self.since {
            since.touched.insert(*hash);
            if as_seq {
                since.seqs.push(*hash);
            }
        }
    }
}

/// Counted holds, and what changed while a collection runs.
#[derive(Clone, Default)]
pub(crate) struct Holds(Arc<Mutex<Table>>);

impl Holds {
    /// Holds `content` until the answer is dropped; as a hash sequence its children too. Whoever looks after this, by
    /// [`Store::row`](super::Store), sees what stays.
    pub(crate) fn hold(&self, content: HashAndFormat) -> Hold {
        let mut table = self.lock();
        *table.counts.entry(content).or_default() += 1;
        table.touch(&content.hash, content.format == BlobFormat::HashSeq);
        drop(table);
        Hold { holds: self.clone(), content }
    }

    /// Spares `hash` from a collection that runs.
    pub(crate) fn touch(&self, hash: &Hash) {
        self.lock().touch(hash, false);
    }

    /// A collection begins: what is held now.
    pub(crate) fn begin(&self) -> Vec<HashAndFormat> {
        let mut table = self.lock();
        table.since = Some(Since::default());
        table.counts.keys().copied().collect()
    }

    /// Hash sequences whose children the collection does not know.
    pub(crate) fn take_seqs(&self) -> Vec<Hash> {
        self.lock().since.as_mut().map(|since| std::mem::take(&mut since.seqs)).unwrap_or_default()
    }

    /// Which of `hashes` a collection must spare; `None` if it has to look at hash sequences first. The others
    /// are as good as gone.
    pub(crate) fn spared(&self, hashes: &[Hash]) -> Option<HashSet<Hash>> {
        let mut table = self.lock();
        let since = table.since.as_ref()?;
        if !since.seqs.is_empty() {
            return None;
        }
        let (touched, going) = hashes.iter().partition(|hash| since.touched.contains(*hash));
        table.going = going;
        Some(touched)
    }

    /// Whether it is decided that a blob goes: who holds it from now on comes too late.
    pub(crate) fn is_going(&self, hash: &Hash) -> bool {
        self.lock().going.contains(hash)
    }

    /// Their rows are gone as well.
    pub(crate) fn gone(&self) {
        self.lock().going.clear();
    }

    /// A collection is over.
    pub(crate) fn end(&self) {
        self.lock().since = None;
    }

    /// What is held.
    pub(crate) fn all(&self) -> Vec<HashAndFormat> {
        self.lock().counts.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps one blob, or one hash sequence with its children, from being collected. Dropping it gives it up.
pub struct Hold {
    holds: Holds,
    content: HashAndFormat,
}

impl Hold {
    /// What it holds.
    pub fn content(&self) -> HashAndFormat {
        self.content
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut table = self.holds.lock();
        if let Some(count) = table.counts.get_mut(&self.content) {
            *count -= 1;
            if *count == 0 {
                table.counts.remove(&self.content);
            }
        }
    }
}
