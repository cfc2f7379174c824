//! Dialing.

use std::{sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use gaiwan_base::{EndpointId, ErrorCode};
use gaiwan_endpoint::{Connection, DialOptions, Failure, TransportOptions};
use tokio::time::{Instant, sleep, timeout};

use super::{Net, serve};
use crate::{lock, metrics::count, proto::PeerId};

/// Time for a handshake, lookups included.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest wait for a turn among peers that gossip told of; then there are too many of them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lowers the gauge whatever becomes of the dial.
struct Pending<'a>(&'a Net);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.metrics.dials_pending.fetch_sub(1, Relaxed);
    }
}

/// Dials a peer in a task of its own; its flag is set already.
pub(super) fn spawn(net: Arc<Net>, peer: PeerId, id: EndpointId) {
    count(&net.metrics.dials_pending);
    tokio::spawn(async move {
        let dialed = {
            let _pending = Pending(&net);
            let mut stop = net.stop.subscribe();
            tokio::select! {
                dialed = dial(&net, peer, id) => dialed,
                _ = stop.wait_for(|stop| *stop) => Err(crate::topic::closed()),
            }
        };
        let link = dialed.and_then(|connection| {
            net.register(id, connection.clone(), true).inspect_err(|_| connection.close(0, b""))
        });
        match link {
            Ok(link) => {
                count(&net.metrics.actor_tick_dialer_success);
                serve::run(&net, link).await;
            }
            Err(failure) => {
                tracing::debug!(?peer, %failure, "a dial failed");
                count(&net.metrics.actor_tick_dialer_failure);
                net.dial_failed(peer, &failure);
            }
        }
    });
}

async fn dial(net: &Net, peer: PeerId, id: EndpointId) -> Result<Connection, Failure> {
    if !net.book.is_trusted(&peer) {
        let wait = lock(&net.table).slots.reserve(Instant::now(), PATIENCE);
        let text = "too many peers of gossip wait to be dialed";
        sleep(wait.ok_or_else(|| Failure::new(ErrorCode::LimitReached, text))?).await;
    }
    let text = || "the dials are over";
    let _permit =
        net.dials.acquire().await.map_err(|_| Failure::new(ErrorCode::GossipClosed, text()))?;
    count(&net.metrics.actor_tick_dialer);
    let late = || {
        let text = format!("no connection within {} ms", HANDSHAKE.as_millis());
        Failure::new(ErrorCode::HandshakeTimeout, text)
    };
    let connection = timeout(HANDSHAKE, reach(net, peer, id)).await.map_err(|_| late())??;
    // The hook's connection is somebody else's work.
    if connection.remote_id() != Some(id) || connection.alpn() != net.options.alpn {
        return Err(Failure::new(ErrorCode::PeerKeyMismatch, "the dial reached another"));
    }
    Ok(connection)
}

async fn reach(net: &Net, peer: PeerId, id: EndpointId) -> Result<Connection, Failure> {
    let options = DialOptions {
        timeout: Some(HANDSHAKE),
        // The protocol has no heartbeat, so a quiet pair lives by QUIC's; 5 s and 30 s are what the reference has.
        transport: Some(TransportOptions {
            keep_alive: Some(Duration::from_secs(5)),
            idle_timeout: Some(Duration::from_secs(30)),
            ..TransportOptions::default()
        }),
        early: false,
    };
    let addresses = net.book.addresses(&peer);
    let alpns = [net.options.alpn.clone()];
    match (net.endpoint.connect(id, &addresses, &alpns, options).await, &net.options.dial) {
        (Err(failure), Some(hook)) if failure.code == ErrorCode::NoAddress => hook.dial(id).await,
        (result, _) => result,
    }
}
