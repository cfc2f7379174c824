//! Who wants to hear what becomes of a blob.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gaiwan_base::Hash;
use tokio::sync::watch;

use crate::proto::Bitfield;

struct Entry {
    sender: watch::Sender<Bitfield>,
    watches: usize,
    /// Changes that were told.
    told: u64,
}

/// Watched blobs; a blob that nobody watches has no entry, whether it is here or not.
#[derive(Clone, Default)]
pub(crate) struct Watchers(Arc<Mutex<HashMap<Hash, Entry>>>);

impl Watchers {
    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on; `now` tells what is there, and runs after changes are heard.
    pub(crate) fn watch<E>(
        &self,
        hash: Hash,
        now: impl FnOnce() -> Result<Bitfield, E>,
    ) -> Result<Watch, E> {
        let (receiver, told) = {
            let mut table = self.lock();
            let entry = table.entry(hash).or_insert_with(|| Entry {
                sender: watch::channel(Bitfield::empty()).0,
                watches: 0,
                told: 0,
            });
            entry.watches += 1;
            (entry.sender.subscribe(), entry.told)
        };
        let watch = Watch { hash, watchers: self.clone(), receiver };
        let field = now()?;
        // What was told meanwhile is newer.
        if let Some(entry) = self.lock().get(&hash).filter(|entry| entry.told == told) {
            replace(&entry.sender, &field);
        }
        Ok(watch)
    }

    /// Something changed.
    pub(crate) fn tell(&self, hash: &Hash, field: &Bitfield) {
        if let Some(entry) = self.lock().get_mut(hash) {
            entry.told += 1;
            replace(&entry.sender, field);
        }
    }

    /// How many blobs are watched.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }
}

fn replace(sender: &watch::Sender<Bitfield>, field: &Bitfield) {
    sender.send_if_modified(|known| {
        let changed = known != field;
        if changed {
            known.clone_from(field);
        }
        changed
    });
}

/// Hears of changes to one blob.
pub struct Watch {
    hash: Hash,
    watchers: Watchers,
    receiver: watch::Receiver<Bitfield>,
}

impl Watch {
    /// What is there now.
    pub fn now(&mut self) -> Bitfield {
        self.receiver.borrow_and_update().clone()
    }

    /// What is there after the next change; changes in quick succession come as one.
    pub async fn changed(&mut self) -> Bitfield {
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.now()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut table = self.watchers.lock();
        if let Some(entry) = table.get_mut(&self.hash) {
            entry.watches -= 1;
            if entry.watches == 0 {
                table.remove(&self.hash);
            }
        }
    }
}
