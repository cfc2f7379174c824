//! Blobs that were found damaged while a peer was served: each is looked at once, on a thread of its own, and what is bad
//! is given up, as [`Store::verify`] with `repair` does it.
//!
//! Readers of this process only hear `BLOB_CORRUPT`: whoever reads knows then, and may have a good copy. A peer can't be
//! told more than that its request failed, so there the store helps itself: what it claims must be what it can serve.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use gaiwan_base::Hash;
use gaiwan_endpoint::Failure;

use super::{
    Inner, Store,
    verify::{Checked, Repair, Verdict},
};

/// Blobs that wait at most, and those that are left alone. One more is found again by whoever asks for it next.
const MOST: usize = 1024;
/// How long a blob is left alone that was looked at in vain, and how many times as long as the look took: who can make a
/// read fail must not keep the disk busy.
const ALONE: Duration = Duration::from_secs(60);
const ALONE_TIMES: u32 = 10;

/// What waits for a look.
#[derive(Default)]
pub(super) struct Mending {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Hash>,
    /// Looked at right now.
    at: Option<Hash>,
    is_running: bool,
    /// Until when a blob is left alone.
    alone: HashMap<Hash, Instant>,
}

impl Mending {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until nothing waits.
    pub(super) fn rest(&self) {
        let state = self.lock();
        let resting = self.done.wait_while(state, |state| state.is_running);
        drop(resting.unwrap_or_else(PoisonError::into_inner));
    }

    /// One more; answers whether somebody has to begin.
    fn add(&self, hash: &Hash) -> bool {
        let (mut state, now) = (self.lock(), Instant::now());
        state.alone.retain(|_, until| *until > now);
        let is_known = state.at == Some(*hash)
            || state.waiting.contains(hash)
            || state.alone.contains_key(hash);
        if is_known || state.waiting.len() >= MOST || state.alone.len() >= MOST {
            return false;
        }
        state.waiting.push_back(*hash);
        !std::mem::replace(&mut state.is_running, true)
    }

    /// The next; `None` once there is none, and then nobody runs.
    fn next(&self) -> Option<Hash> {
        let mut state = self.lock();
        state.at = state.waiting.pop_front();
        if state.at.is_none() {
            state.is_running = false;
            self.done.notify_all();
        }
        state.at
    }

    fn leave_alone(&self, hash: Hash, time: Duration) {
        self.lock().alone.insert(hash, Instant::now() + time);
    }
}

/// Whoever mends. One that leaves with blobs still waiting, by a panic or because the store is closed, makes room for
/// another.
struct Mender {
    mending: Arc<Mending>,
    is_done: bool,
}

impl Mender {
    fn next(&mut self) -> Option<Hash> {
        let next = self.mending.next();
        self.is_done = next.is_none();
        next
    }
}

impl Drop for Mender {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut state = self.mending.lock();
        state.waiting.clear();
        (state.at, state.is_running) = (None, false);
        self.mending.done.notify_all();
    }
}

impl Store {
    /// What was read of a blob for a peer does not match. It is looked at soon, unless that was done a moment ago.
    pub(crate) fn suspect(&self, hash: &Hash) {
        if self.0.fixed || self.is_closed() || !self.0.mending.add(hash) {
            return;
        }
        let mender = Mender { mending: self.0.mending.clone(), is_done: false };
        let store = Arc::downgrade(&self.0);
        let thread = std::thread::Builder::new().name("gaiwan-mend".into());
        if let Err(error) = thread.spawn(move || run(mender, &store)) {
            tracing::warn!(%error, "a damaged blob can't be looked at");
        }
    }

    /// Gives up now what is bad of a blob; `None` if there is no such blob.
    ///
    /// Of a file of the user's that is not what it was nothing is kept, for to keep the rest is to copy it, and nobody asked
    /// for that; and one that is not there keeps its blob, for it may lie on a disk that comes back.
    pub(crate) fn mend(&self, hash: &Hash) -> Result<Option<Checked>, Failure> {
        self.check_changes()?;
        self.examine(hash, Repair::InPlace, &|| self.check())
    }

    /// Blocks until every blob that was found damaged was looked at.
    pub fn mended(&self) {
        self.0.mending.rest();
    }
}

fn run(mut mender: Mender, store: &Weak<Inner>) {
    while let Some(hash) = mender.next() {
        let Some(store) = store.upgrade().map(Store) else { return };
        let start = Instant::now();
        let before = store.bitfield(&hash);
        let result = store.mend(&hash);
        if store.is_closed() {
            return;
        }
        let (name, after) = (hash.fmt_short(), store.bitfield(&hash));
        let changed = matches!((before, after), (Ok(before), Ok(after)) if before != after);
        match result {
            Ok(None) => continue,
            Ok(Some(Checked { verdict, .. })) => {
                tracing::warn!(hash = %name, ?verdict, "a blob could not be read as it should");
                if changed || matches!(verdict, Verdict::Bad { repaired: true, .. }) {
                    continue;
                }
            }
            Err(failure) => tracing::warn!(hash = %name, %failure, "a damaged blob stays as it is"),
        }
        mender.mending.leave_alone(hash, start.elapsed() * ALONE_TIMES + ALONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: usize) -> Hash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        Hash::from_bytes(bytes)
    }

    #[test]
    fn each_is_looked_at_once_and_not_again_until_its_time_has_come() {
        let mending = Mending::default();
        assert!(mending.add(&hash(1)));
        assert!(!mending.add(&hash(1)) && !mending.add(&hash(2)), "somebody runs already");
        assert_eq!(mending.next(), Some(hash(1)));
        assert!(!mending.add(&hash(1)), "it is looked at right now");
        mending.leave_alone(hash(1), Duration::from_secs(100));
        assert_eq!([mending.next(), mending.next()], [Some(hash(2)), None]);
        mending.rest();
        assert!(!mending.add(&hash(1)), "it was looked at in vain");
        assert!(!mending.lock().is_running);
        mending.leave_alone(hash(1), Duration::ZERO);
        assert!(mending.add(&hash(1)));
    }

    #[test]
    fn no_more_than_so_many_wait() {
        let mending = Mending::default();
        let begun = (0..2 * MOST).filter(|n| mending.add(&hash(*n))).count();
        assert_eq!(begun, 1);
        assert_eq!(mending.lock().waiting.len(), MOST);
    }

    #[test]
    fn whoever_gives_up_makes_room_for_the_next() {
        let mending = Arc::new(Mending::default());
        assert!(mending.add(&Hash::EMPTY));
        let mut mender = Mender { mending: mending.clone(), is_done: false };
        assert!(mender.next().is_some());
        drop(mender);
        mending.rest();
        assert!(mending.add(&Hash::EMPTY));
    }
}
