//! Who is connected, and what all connections of one peer share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gaiwan_base::EndpointId;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, watch};

use super::{handler::ProviderOptions, rate::Rate};

/// Large requests of one peer that are in memory at once, and of all. One takes up to 5 MiB.
const LARGE_OF_ONE: usize = 4;
pub(super) const LARGE_OF_ALL: usize = 32;
/// Steps of one peer's responses that run at once, where there are fewer processors.
const STEPS: usize = 4;

/// What the connections of one peer share, so that many streams get it no more than few.
pub(super) struct Shared {
    pub(super) rate: Option<Rate>,
    /// Whoever is about to wait for the rate of all: one stream of a peer at a time, so that peers take turns.
    pub(super) gate: AsyncMutex<()>,
    /// Steps that run.
    pub(super) steps: Arc<Semaphore>,
    /// Large requests that are in memory.
    pub(super) large: Arc<Semaphore>,
    /// Responses that may be under way.
    pub(super) slots: Arc<Semaphore>,
}

struct Peer {
    connections: usize,
    shared: Arc<Shared>,
}

/// Peers that are connected, or that still owe time for what they got.
pub(super) struct Peers {
    table: Mutex<HashMap<EndpointId, Peer>>,
    /// Connections in all.
    served: watch::Sender<usize>,
}

impl Default for Peers {
    fn default() -> Self {
        Self { table: Mutex::default(), served: watch::channel(0).0 }
    }
}

impl Peers {
    /// Returns once nobody is served.
    pub(super) async fn gone(&self) {
        // The sender lives as long as `self`.
        let _ = self.served.subscribe().wait_for(|served| *served == 0).await;
    }

    fn table(&self) -> MutexGuard<'_, HashMap<EndpointId, Peer>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among those that are served.
pub(super) struct Place {
    peers: Arc<Peers>,
    remote: EndpointId,
    shared: Arc<Shared>,
    is_free: bool,
}

impl Place {
    /// One more connection of `remote`, unless that is over a limit.
    pub(super) fn take(
        peers: &Arc<Peers>,
        remote: EndpointId,
        options: &ProviderOptions,
    ) -> Option<Self> {
        let mut table = peers.table();
        // Who comes back at once finds the rate as it was left.
        table.retain(|_, peer| peer.connections > 0 || peer.owes());
        let all: usize = table.values().map(|peer| peer.connections).sum();
        let own = table.get(&remote).map_or(0, |peer| peer.connections);
        if all >= options.max_connections || own >= options.max_connections_per_peer {
            return None;
        }
        let peer = table.entry(remote).or_insert_with(|| Peer::new(options));
        peer.connections += 1;
        let shared = peer.shared.clone();
        drop(table);
        peers.served.send_modify(|served| *served += 1);
        Some(Self { peers: peers.clone(), remote, shared, is_free: false })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn remote(&self) -> EndpointId {
        self.remote
    }

    /// Another connection can have it from now on. Who waits for the end of all waits until this is dropped.
    pub(super) fn free(&mut self) {
        if std::mem::replace(&mut self.is_free, true) {
            return;
        }
        let mut table = self.peers.table();
        if let Some(peer) = table.get_mut(&self.remote) {
            peer.connections -= 1;
            if peer.connections == 0 && !peer.owes() {
                table.remove(&self.remote);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.free();
        self.peers.served.send_modify(|served| *served -= 1);
    }
}

impl Peer {
    fn new(options: &ProviderOptions) -> Self {
        let steps = std::thread::available_parallelism().map_or(STEPS, |n| n.get().max(STEPS));
        let shared = Shared {
            rate: options.max_upload_rate_per_peer.map(Rate::new),
            gate: AsyncMutex::default(),
            steps: Arc::new(Semaphore::new(steps)),
            large: Arc::new(Semaphore::new(LARGE_OF_ONE)),
            slots: Arc::new(Semaphore::new(
                options.max_responses_per_peer.min(Semaphore::MAX_PERMITS),
            )),
        };
        Self { connections: 0, shared: Arc::new(shared) }
    }

    fn owes(&self) -> bool {
        self.shared.rate.as_ref().is_some_and(Rate::owes)
    }
}
