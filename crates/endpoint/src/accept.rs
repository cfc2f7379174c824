//! The accept loop: one task for each endpoint that meets strangers and never waits for one of them.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::sync::mpsc;

use crate::{
    config::RetryPolicy,
    endpoint::{Inner, lock},
    incoming::Incoming,
    router::Routes,
};

/// Unfinished handshakes from which on dialers must prove their address under load.
const LOADED: usize = 64;

/// What happens with an attempt.
pub(crate) enum Mode {
    /// It waits for `Endpoint::accept`.
    Queue(mpsc::Sender<Incoming>),
    /// It goes to the handler of its ALPN.
    Router(Arc<Routes>),
    /// It is refused.
    Closed,
}

/// Runs until the endpoint is closed.
pub(crate) async fn run(endpoint: Arc<Inner>) {
    while let Some(incoming) = endpoint.quinn.accept().await {
        admit(&endpoint, incoming);
    }
    *lock(&endpoint.mode) = Mode::Closed;
}

/// Decides about one attempt, at once.
fn admit(endpoint: &Arc<Inner>, quinn: quinn::Incoming) {
    // Without an ALPN nothing can be negotiated; the server config stays, for version negotiation needs it.
    if !endpoint.accepts_any.load(Relaxed) {
        return quinn.refuse();
    }
    let (open, unfinished) = endpoint.load();
    if open + unfinished >= endpoint.options.max_connections {
        endpoint.metrics.limit_refusals.fetch_add(1, Relaxed);
        return quinn.refuse();
    }
    let incoming = Incoming::new(endpoint.clone(), quinn);
    let must_prove = match endpoint.options.retry {
        RetryPolicy::Never => false,
        RetryPolicy::UnderLoad => unfinished > LOADED.min(endpoint.options.max_incoming / 4),
        RetryPolicy::Always => true,
    };
    let incoming = if must_prove && !incoming.address_validated() {
        match incoming.retry() {
            Ok(()) => return,
            Err(incoming) => incoming,
        }
    } else {
        incoming
    };
    let refused = match &*lock(&endpoint.mode) {
        Mode::Queue(queue) => queue.try_send(incoming).err().map(|error| match error {
            mpsc::error::TrySendError::Full(incoming)
            | mpsc::error::TrySendError::Closed(incoming) => incoming,
        }),
        Mode::Router(routes) => routes.route(incoming),
        Mode::Closed => Some(incoming),
    };
    if let Some(incoming) = refused {
        if !endpoint.is_closed() {
            endpoint.metrics.queue_full_refusals.fetch_add(1, Relaxed);
        }
        incoming.refuse();
    }
}
