//! A store as one environment holds it.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use gaiwan_base::ErrorCode;
use gaiwan_blobs::store::Store;
use gaiwan_endpoint::Failure;
use tokio::sync::watch;

type Make = Box<dyn FnOnce() -> Result<Store, Failure> + Send>;

enum State {
    /// Made when it is used first, on a thread that may wait.
    Due(Make),
    Open(Store),
    Failed(Failure),
    Closed,
}

/// A store and what runs on it. Whoever else needs the store (a provider, a getter) takes a clone by [`Held::store`] and
/// gives it up before the store closes: the directory is free when the last clone is gone.
pub struct Held {
    state: Mutex<State>,
    /// How many operations run.
    running: watch::Sender<usize>,
    closing: AtomicBool,
    /// Where it lies, if it is on the disk.
    pub(super) directory: Option<PathBuf>,
}

impl Held {
    pub(super) fn open(store: Store, directory: PathBuf) -> Arc<Self> {
        Self::new(State::Open(store), Some(directory))
    }

    pub(super) fn due(make: impl FnOnce() -> Result<Store, Failure> + Send + 'static) -> Arc<Self> {
        Self::new(State::Due(Box::new(make)), None)
    }

    fn new(state: State, directory: Option<PathBuf>) -> Arc<Self> {
        let (running, closing) = (watch::channel(0).0, AtomicBool::new(false));
        Arc::new(Self { state: Mutex::new(state), running, closing, directory })
    }

    /// The store. Blocks the first time if it is not in a directory, for then it is made now.
    pub fn store(&self) -> Result<Store, Failure> {
        let mut state = self.lock();
        if matches!(*state, State::Due(_))
            && let State::Due(make) = std::mem::replace(&mut *state, State::Closed)
        {
            *state = make().map_or_else(State::Failed, State::Open);
        }
        match &*state {
            State::Open(store) => Ok(store.clone()),
            State::Failed(failure) => Err(failure.clone()),
            State::Due(_) | State::Closed => Err(closed()),
        }
    }

    /// One more operation runs, until the answer is dropped. `STORE_CLOSED` once the close has begun.
    pub fn begin(self: &Arc<Self>) -> Result<Running, Failure> {
        if self.closing.load(Relaxed) {
            return Err(closed());
        }
        self.running.send_modify(|count| *count += 1);
        Ok(Running(self.clone()))
    }

    /// No operation begins any more.
    pub(super) fn stop(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Waits until no operation runs.
    pub(super) async fn idle(&self) {
        // The sender is in `self`, so it can't be gone.
        let _ = self.running.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Closes the store; blocks.
    pub(super) fn end(&self) {
        let state = std::mem::replace(&mut *self.lock(), State::Closed);
        if let State::Open(store) = state {
            store.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operation runs.
pub struct Running(Arc<Held>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|count| *count -= 1);
    }
}

/// Something that several calls work on, one after the other; with `running` the store is in use as long as it is there.
pub struct Slot<T> {
    // In this order: first what uses the store goes, then the word that it is used.
    value: Mutex<Option<T>>,
    _running: Option<Running>,
}

impl<T> Slot<T> {
    /// Without `running` for what does not touch the store between its steps.
    pub(super) fn new(value: T, running: Option<Running>) -> Arc<Self> {
        Arc::new(Self { value: Mutex::new(Some(value)), _running: running })
    }

    /// Works on it.
    pub(super) fn with<R>(
        &self,
        work: impl FnOnce(&mut T) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        value.as_mut().ok_or_else(over).and_then(work)
    }

    /// Takes it out, for the last step.
    pub(super) fn take(&self) -> Result<T, Failure> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(over)
    }
}

fn over() -> Failure {
    Failure::new(ErrorCode::Internal, "it is over already")
}

fn closed() -> Failure {
    Failure::new(ErrorCode::StoreClosed, "the store is closed")
}
