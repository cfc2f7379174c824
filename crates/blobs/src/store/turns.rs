//! One at a time changes the files and the row of a blob.

use std::{
    collections::HashSet,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use gaiwan_base::Hash;

#[derive(Default)]
struct Shared {
    taken: Mutex<HashSet<Hash>>,
    given_back: Condvar,
}

/// Hands out the turns.
///
/// A turn can be held until the catalog has answered, also by what runs on the catalog's thread after a commit. So that
/// nobody waits for ever, that thread takes none, and whoever needs several takes them in order.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Shared>);

impl Turns {
    /// Blocks while another has the turn.
    pub(crate) fn take(&self, hash: &Hash) -> Turn {
        let mut taken = self.lock();
        while !taken.insert(*hash) {
            taken = self.wait(taken);
        }
        Turn { turns: self.clone(), hash: *hash }
    }

    /// The turns of all of `hashes`.
    pub(crate) fn take_all(&self, hashes: &[Hash]) -> Vec<Turn> {
        let mut hashes = hashes.to_vec();
        hashes.sort_unstable();
        hashes.dedup();
        hashes.iter().map(|hash| self.take(hash)).collect()
    }

    /// Blocks until nobody has one.
    pub(crate) fn rest(&self) {
        let mut taken = self.lock();
        while !taken.is_empty() {
            taken = self.wait(taken);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Hash>> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, taken: MutexGuard<'a, HashSet<Hash>>) -> MutexGuard<'a, HashSet<Hash>> {
        self.0.given_back.wait(taken).unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn for one blob, until it is dropped.
pub(crate) struct Turn {
    turns: Turns,
    hash: Hash,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().remove(&self.hash);
        self.turns.0.given_back.notify_all();
    }
}
