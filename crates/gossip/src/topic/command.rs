//! What handles ask of a topic's task.

use std::sync::Arc;

use bytes::Bytes;
use gaiwan_base::EndpointId;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::ring::Ring;

/// How far a broadcast goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    Swarm,
    Neighbors,
}

/// Half of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Sender,
    Receiver,
}

/// Content for others; answered with the number of neighbors.
pub(crate) struct Broadcast {
    pub(crate) content: Bytes,
    pub(crate) reach: Reach,
    pub(crate) reply: oneshot::Sender<usize>,
    /// Its place among those of its subscription that may wait, held even if nobody waits for the answer any more.
    pub(crate) slot: OwnedSemaphorePermit,
}

/// One request.
pub(crate) enum Command {
    /// A new subscription.
    Subscribe { id: u64, ring: Arc<Ring>, bootstrap: Vec<EndpointId> },
    /// Content for others.
    Broadcast(Broadcast),
    /// More peers to join.
    Join { peers: Vec<EndpointId>, reply: oneshot::Sender<()> },
    /// A half that is not needed any more.
    Close { id: u64, half: Half, done: Option<oneshot::Sender<()>> },
    /// Leave, whoever still listens.
    Shutdown { done: oneshot::Sender<()> },
    /// Panics, to see what a panic costs.
    #[cfg(test)]
    Panic,
}
