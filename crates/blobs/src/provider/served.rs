//! One connection that is served.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use gaiwan_base::EndpointId;
use gaiwan_endpoint::Connection;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    events::{Event, EventKind},
    handler::Inner,
    place::Place,
};

/// Shared by the requests of one connection; when the last is over the connection is told as gone and its place is free.
pub(super) struct Served {
    provider: Arc<Inner>,
    place: Place,
    observers: AtomicUsize,
    next_request: AtomicU64,
    /// Keeps it open while a request runs.
    connection: Connection,
}

/// The right to hold a large request in memory, or to have a response under way.
pub(super) struct Room {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Served {
    pub(super) fn new(provider: Arc<Inner>, place: Place, connection: Connection) -> Self {
        let (observers, next_request) = (AtomicUsize::new(0), AtomicU64::new(0));
        let served = Self { provider, place, observers, next_request, connection };
        served.tell(EventKind::Connected);
        served
    }

    pub(super) fn provider(&self) -> &Arc<Inner> {
        &self.provider
    }

    pub(super) fn remote(&self) -> EndpointId {
        self.place.remote()
    }

    pub(super) fn next_request(&self) -> u64 {
        self.next_request.fetch_add(1, Relaxed)
    }

    pub(super) fn quinn(&self) -> &quinn::Connection {
        self.connection.quinn()
    }

    /// Tells whoever listens. What they do with it, a panic included, is theirs.
    pub(super) fn tell(&self, kind: EventKind) {
        let Some(events) = &self.provider.events else { return };
        let event = Event { connection: self.connection.stable_id(), remote: self.remote(), kind };
        if catch_unwind(AssertUnwindSafe(|| events.event(event))).is_err() {
            tracing::error!("whoever hears the events of a provider panicked");
        }
    }

    /// Waits until `bytes` may be sent.
    pub(super) async fn pay(&self, bytes: u64) {
        let shared = self.place.shared();
        if let Some(rate) = &shared.rate {
            rate.take(bytes).await;
        }
        if let Some(rate) = &self.provider.rate {
            let _first = shared.gate.lock().await;
            rate.take(bytes).await;
        }
    }

    /// Waits for the peer's turn to have a step done; it ends when the answer is dropped.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it.
        self.place.shared().steps.clone().acquire_owned().await.ok()
    }

    /// The same, if it needs no waiting.
    pub(super) fn turn_now(&self) -> Option<OwnedSemaphorePermit> {
        self.place.shared().steps.clone().try_acquire_owned().ok()
    }

    /// Waits for room for a large request.
    pub(super) async fn room(&self) -> Option<Room> {
        Room::take(&self.place.shared().large, &self.provider.large).await
    }

    /// Waits until one more response may be under way, but not for ever.
    pub(super) async fn slot(&self) -> Option<Room> {
        let slot = Room::take(&self.place.shared().slots, &self.provider.slots);
        timeout(self.provider.options.request_timeout, slot).await.ok().flatten()
    }

    /// One more observer, unless there are too many.
    pub(super) fn observer(self: &Arc<Self>) -> Option<Observer> {
        let limit = self.provider.options.max_observers;
        let taken = self.observers.fetch_update(Relaxed, Relaxed, |n| (n < limit).then_some(n + 1));
        taken.ok().map(|_| Observer(self.clone()))
    }
}

impl Room {
    /// One of a peer's own first, so that whoever has many waiting is one among those who wait for what is left.
    async fn take(own: &Arc<Semaphore>, all: &Arc<Semaphore>) -> Option<Self> {
        let take = async |semaphore: &Arc<Semaphore>| semaphore.clone().acquire_owned().await.ok();
        let own = take(own).await?;
        Some(Self { _own: own, _all: take(all).await? })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // First: whoever hears it may dial again.
        self.place.free();
        self.tell(EventKind::Disconnected);
    }
}

/// One of the observers of a connection.
pub(super) struct Observer(Arc<Served>);

impl Drop for Observer {
    fn drop(&mut self) {
        self.0.observers.fetch_sub(1, Relaxed);
    }
}
