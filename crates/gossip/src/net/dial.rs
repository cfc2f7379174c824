//! Dialing.

use std::{
    slice::from_ref,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

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
    let addresses = net.book.addresses(&peer);
    match &net.options.dial {
        Some(hook) if addresses.is_empty() || hook.dials_all() => hook.dial(id, addresses).await,
        _ => {
            let options = DialOptions {
                timeout: Some(HANDSHAKE),
                transport: Some(heartbeat(net.endpoint.transport())),
                early: false,
            };
            net.endpoint.connect(id, &addresses, from_ref(&net.options.alpn), options).await
        }
    }
}

/// The protocol has no heartbeat, so a quiet pair lives by QUIC's: what the endpoint has where it is more eager than
/// the reference, whose pings are 5 s apart and whose patience is 30 s (`endpoint/quic.rs` of iroh 1.4.1).
fn heartbeat(own: &TransportOptions) -> TransportOptions {
    let sooner = |own: Option<Duration>, reference: Duration| match own {
        Some(own) if !own.is_zero() => own.min(reference),
        _ => reference,
    };
    let idle_timeout = sooner(own.idle_timeout, Duration::from_secs(30));
    // Two lost pings in a row are no end.
    let keep_alive = sooner(own.keep_alive, Duration::from_secs(5)).min(idle_timeout / 3);
    TransportOptions {
        idle_timeout: Some(idle_timeout),
        keep_alive: Some(keep_alive),
        ..TransportOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dial_is_as_eager_as_the_endpoint_and_never_lazier_than_the_reference() {
        let with = |idle: Option<u64>, ping: Option<u64>| {
            let heartbeat = heartbeat(&TransportOptions {
                idle_timeout: idle.map(Duration::from_secs),
                keep_alive: ping.map(Duration::from_secs),
                ..TransportOptions::default()
            });
            let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
            (seconds(heartbeat.idle_timeout), seconds(heartbeat.keep_alive))
        };
        assert_eq!(with(None, None), (Some(30), Some(5)));
        assert_eq!(with(Some(0), Some(0)), (Some(30), Some(5)));
        assert_eq!(with(Some(300), Some(60)), (Some(30), Some(5)));
        assert_eq!(with(Some(3), None), (Some(3), Some(1)));
        assert_eq!(with(Some(12), Some(2)), (Some(12), Some(2)));
    }
}
