//! 0-RTT: a connection that is used before its handshake is done.

use std::sync::Arc;

use gaiwan_base::ErrorCode;
use quinn::ZeroRttAccepted;
use tokio::{sync::watch, time::Instant};

use crate::{
    connection::{Connection, Side},
    endpoint::Inner,
    failure::Failure,
    metrics::Gauge,
};

/// `None` while the handshake runs.
pub(crate) type Outcome = Option<Result<bool, Failure>>;

/// The handshake of an early connection; many may wait for it.
#[derive(Debug, Clone)]
pub struct EarlyState(watch::Receiver<Outcome>);

impl EarlyState {
    /// Whether the peer took our early data, once the handshake is done. At an acceptor the answer is always true.
    pub async fn handshake(&self) -> Result<bool, Failure> {
        let mut receiver = self.0.clone();
        let outcome = receiver.wait_for(Option::is_some).await;
        outcome.ok().and_then(|outcome| outcome.clone()).unwrap_or_else(|| {
            Err(Failure::new(ErrorCode::Internal, "the task of the handshake is gone"))
        })
    }

    /// The sending half, before the task that will tell exists.
    pub(crate) fn channel() -> (watch::Sender<Outcome>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }
}

/// What is needed to see a handshake through.
pub(crate) struct Handshake {
    pub(crate) accepted: ZeroRttAccepted,
    pub(crate) outcome: watch::Sender<Outcome>,
    pub(crate) deadline: Instant,
    /// It stays an unfinished handshake for the limits, though someone uses the connection already.
    pub(crate) half_open: Gauge,
}

/// Sees the handshake through until its deadline and tells everyone who waits.
pub(crate) fn watch_handshake(endpoint: Arc<Inner>, connection: Connection, handshake: Handshake) {
    let Handshake { accepted, outcome, deadline, half_open } = handshake;
    tokio::spawn(async move {
        let done = async {
            let taken = accepted.await;
            if let Some(error) = connection.quinn().close_reason() {
                return Err(Failure::handshake(&error, connection.side()));
            }
            connection.complete(&endpoint).await?;
            Ok(taken || connection.side() == Side::Server)
        };
        let result = tokio::time::timeout_at(deadline, done).await.unwrap_or_else(|_| {
            endpoint.count_timeout();
            connection.close(0, b"");
            Err(Failure::new(ErrorCode::HandshakeTimeout, "the handshake did not end in time"))
        });
        drop(half_open);
        if connection.side() == Side::Client
            && let Ok(taken) = result
        {
            endpoint.count_early(taken);
        }
        let _ = outcome.send(Some(result));
    });
}
