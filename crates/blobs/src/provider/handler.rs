//! Connections of a provider.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use gaiwan_endpoint::{BoxFuture, Connection, Failure, ProtocolHandler};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{
    events::{Authorize, Events, Metrics, count},
    place::{LARGE_OF_ALL, Peers, Place},
    rate::Rate,
    request,
    served::Served,
};
use crate::{proto::RequestKind, store::Store};

/// Close codes of iroh-blobs 0.104.0, `src/provider/events.rs`, and RESET_STREAM codes of a request.
pub(crate) const PERMISSION: u32 = 1;
pub(crate) const LIMIT: u32 = 2;
pub(crate) const INTERNAL: u32 = 3;

/// Why a provider that is stopped closes a connection, with code 0, as whoever closes a whole endpoint does.
const STOPPED: &[u8] = b"stopped";

/// The shortest time between two warnings: what a peer can cause it must not be able to fill a disk with.
const QUIET: Duration = Duration::from_secs(10);

/// Settings of a provider.
#[derive(Clone)]
pub struct ProviderOptions {
    /// Which requests are served at all.
    pub allow: Vec<RequestKind>,
    /// Served connections in all, and of one peer.
    pub max_connections: usize,
    /// See `max_connections`.
    pub max_connections_per_peer: usize,
    /// Observers of one connection.
    pub max_observers: usize,
    /// Answers to Get and GetMany under way in all, and to one peer; each has up to four files open. One more waits for
    /// `request_timeout`, then it ends with code 2.
    pub max_responses: usize,
    /// See `max_responses`.
    pub max_responses_per_peer: usize,
    /// Time to send a whole request.
    pub request_timeout: Duration,
    /// How long a peer may take nothing of a response, or send nothing of a push, before its request ends with code 2.
    pub stall_timeout: Duration,
    /// How long the answer of [`Authorize`] may take; silence is no.
    pub authorize_timeout: Duration,
    /// Bytes per second to all.
    pub max_upload_rate: Option<u64>,
    /// Bytes per second to one peer.
    pub max_upload_rate_per_peer: Option<u64>,
    /// Bytes that one push may store.
    pub max_push_bytes: Option<u64>,
}

impl Default for ProviderOptions {
    fn default() -> Self {
        Self {
            allow: vec![RequestKind::Get, RequestKind::GetMany, RequestKind::Observe],
            max_connections: 1024,
            max_connections_per_peer: 16,
            max_observers: 64,
            max_responses: 2048,
            max_responses_per_peer: 256,
            request_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(120),
            authorize_timeout: Duration::from_secs(5),
            max_upload_rate: None,
            max_upload_rate_per_peer: None,
            max_push_bytes: None,
        }
    }
}

/// Serves a store; a handler for the router, or for connections accepted elsewhere.
pub struct Provider(Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) options: ProviderOptions,
    pub(super) authorize: Option<Arc<dyn Authorize>>,
    pub(super) events: Option<Arc<dyn Events>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) rate: Option<Rate>,
    /// Large requests that are in memory.
    pub(super) large: Arc<Semaphore>,
    /// Responses that may be under way.
    pub(super) slots: Arc<Semaphore>,
    /// Those that are.
    pub(super) responses: AtomicUsize,
    peers: Arc<Peers>,
    warned: Mutex<Option<Instant>>,
    stop: watch::Sender<bool>,
}

impl Inner {
    /// Whether it is time for a warning.
    pub(super) fn may_warn(&self) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let may = warned.is_none_or(|last| last.elapsed() >= QUIET);
        if may {
            *warned = Some(Instant::now());
        }
        may
    }
}

impl Provider {
    /// Serves `store`. Without `authorize` everyone may ask for what `options` allow.
    pub fn new(
        store: Store,
        options: ProviderOptions,
        authorize: Option<Arc<dyn Authorize>>,
        events: Option<Arc<dyn Events>>,
    ) -> Self {
        let rate = options.max_upload_rate.map(Rate::new);
        let max_responses = options.max_responses.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            store,
            options,
            authorize,
            events,
            metrics: Arc::default(),
            rate,
            large: Arc::new(Semaphore::new(LARGE_OF_ALL)),
            slots: Arc::new(Semaphore::new(max_responses)),
            responses: AtomicUsize::new(0),
            peers: Arc::default(),
            warned: Mutex::default(),
            stop: watch::channel(false).0,
        }))
    }

    /// Counts.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.0.metrics.clone()
    }

    /// Serves no more, and closes the connections that it has: whoever fetches learns that this provider went, not that
    /// it could not go on, and may come back.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
    }

    /// Serves one connection until it ends or the provider is shut down.
    pub async fn serve(&self, connection: Connection) -> Result<(), Failure> {
        let Some(remote) = connection.remote_id() else { return Ok(()) };
        let inner = &self.0;
        let mut stop = inner.stop.subscribe();
        if *stop.borrow() {
            connection.close(0, STOPPED);
            return Ok(());
        }
        let Some(place) = Place::take(&inner.peers, remote, &inner.options) else {
            count(&inner.metrics.connections_refused);
            connection.close(LIMIT.into(), b"limit");
            return Ok(());
        };
        count(&inner.metrics.connections);
        let served = Arc::new(Served::new(inner.clone(), place, connection.clone()));
        let mut streams = JoinSet::new();
        let is_stopped = loop {
            tokio::select! {
                stream = served.quinn().accept_bi() => {
                    let Ok((send, recv)) = stream else { break false };
                    streams.spawn(request::serve(served.clone(), send, recv));
                }
                // Reaped as they end; a panic costs its stream only.
                Some(_) = streams.join_next() => {}
                _ = stop.wait_for(|stop| *stop) => break true,
            }
        };
        if is_stopped {
            // First: a reset of code 3 would say that we are in trouble.
            connection.close(0, STOPPED);
            streams.abort_all();
        }
        // The connection is gone: each learns it by itself, after what it learned before.
        while streams.join_next().await.is_some() {}
        Ok(())
    }
}

impl ProtocolHandler for Provider {
    fn accept(&self, connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.serve(connection))
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        self.stop();
        // Who closes the store after this meets no request that still reads it.
        Box::pin(self.0.peers.gone())
    }
}
