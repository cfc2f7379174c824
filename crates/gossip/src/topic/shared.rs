//! What handles may look at without asking the topic's task.

use std::sync::Mutex;

use gaiwan_base::EndpointId;
use gaiwan_endpoint::Failure;
use tokio::sync::watch;

use crate::lock;

/// Failed peers that are remembered.
const FAILED: usize = 64;

/// Neighbors and failures of a topic. Written by its task alone.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Inner {
    neighbors: Vec<EndpointId>,
    failed: Vec<(EndpointId, Failure)>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::default(), changed: watch::channel(()).0 }
    }

    pub(crate) fn up(&self, id: EndpointId) {
        let mut inner = lock(&self.inner);
        inner.neighbors.retain(|known| *known != id);
        inner.neighbors.push(id);
        inner.failed.retain(|(known, _)| *known != id);
        drop(inner);
        self.touch();
    }

    pub(crate) fn down(&self, id: EndpointId) {
        lock(&self.inner).neighbors.retain(|known| *known != id);
        self.touch();
    }

    /// No neighbors any more: the topic was left.
    pub(crate) fn clear(&self) {
        lock(&self.inner).neighbors.clear();
        self.touch();
    }

    pub(crate) fn failed(&self, id: EndpointId, failure: Failure) {
        let mut inner = lock(&self.inner);
        inner.failed.retain(|(known, _)| *known != id);
        if inner.failed.len() == FAILED {
            inner.failed.remove(0);
        }
        inner.failed.push((id, failure));
    }

    pub(crate) fn is_joined(&self) -> bool {
        !lock(&self.inner).neighbors.is_empty()
    }

    pub(crate) fn neighbors(&self) -> Vec<EndpointId> {
        lock(&self.inner).neighbors.clone()
    }

    pub(crate) fn failed_dials(&self) -> Vec<(EndpointId, Failure)> {
        lock(&self.inner).failed.clone()
    }

    /// Wakes all who wait for a change, of this or of their subscription.
    pub(crate) fn touch(&self) {
        self.changed.send_replace(());
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}
