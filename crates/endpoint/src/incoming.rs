//! An attempt of a peer: first packet, handshake, connection.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use gaiwan_base::ErrorCode;

use crate::{
    connection::{Connection, Side},
    dial::DialOptions,
    driver::Started,
    early::{EarlyState, Handshake, watch_handshake},
    endpoint::Inner,
    failure::Failure,
    metrics::Gauge,
    socket::canonical,
    tls,
};

/// The first packet of an attempt. Dropped without a decision it is refused.
pub struct Incoming {
    /// Boxed: it is 400 bytes that travel through queues and results.
    quinn: Box<quinn::Incoming>,
    endpoint: Arc<Inner>,
    undecided: Gauge,
}

impl Incoming {
    pub(crate) fn new(endpoint: Arc<Inner>, quinn: quinn::Incoming) -> Self {
        // Undecided attempts count like unfinished handshakes: both are what a flood fills.
        let undecided = Gauge::new(endpoint.metrics.clone(), |metrics| &metrics.half_open);
        Self { quinn: Box::new(quinn), endpoint, undecided }
    }

    /// Where the packet came from. Anyone can write any address there until it is validated.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.quinn.remote_address())
    }

    /// The local address that the packet was sent to, where the system tells.
    pub fn local_ip(&self) -> Option<std::net::IpAddr> {
        self.quinn.local_ip().map(|told| self.endpoint.local_ip(told))
    }

    /// Whether the dialer has proven that it receives at its address.
    pub fn address_validated(&self) -> bool {
        self.quinn.remote_address_validated()
    }

    pub(crate) fn handshake_timeout(&self) -> std::time::Duration {
        self.endpoint.options.handshake_timeout
    }

    /// Starts the handshake.
    pub fn accept(self, options: DialOptions) -> Result<Accepting, Failure> {
        let limit = options.timeout.unwrap_or(self.endpoint.options.handshake_timeout);
        let connecting = match self.endpoint.server_config_with(options.transport) {
            Some(config) => self.quinn.accept_with(config),
            None => self.quinn.accept(),
        };
        let connecting = connecting.map_err(failed)?;
        let deadline = tokio::time::Instant::now() + limit;
        let Self { endpoint, undecided: half_open, .. } = self;
        Ok(Accepting { started: Started::new(connecting), endpoint, deadline, half_open })
    }

    /// Refuses with transport code CONNECTION_REFUSED.
    pub fn refuse(self) {
        let Self { quinn, undecided, .. } = self;
        drop(undecided);
        quinn.refuse();
    }

    /// Asks the dialer to come again with a proof of its address; hands the attempt back if it has one.
    pub fn retry(self) -> Result<(), Self> {
        if !self.quinn.may_retry() {
            return Err(self);
        }
        self.endpoint.metrics.retries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let Self { quinn, endpoint, undecided } = self;
        // Before the dialer can have the Retry: whoever has seen it finds the attempt gone from the metrics.
        drop(undecided);
        quinn.retry().map_err(|error| Self::new(endpoint, error.into_incoming()))
    }

    /// Says nothing at all.
    pub fn ignore(self) {
        self.quinn.ignore();
    }
}

/// A handshake under way at the acceptor.
pub struct Accepting {
    started: Started,
    endpoint: Arc<Inner>,
    deadline: tokio::time::Instant,
    half_open: Gauge,
}

impl Accepting {
    /// The peer's address.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.started.connecting.remote_address())
    }

    /// The ALPN that was chosen; the peer is not authenticated yet.
    pub async fn alpn(&mut self) -> Result<Bytes, Failure> {
        let data =
            tokio::time::timeout_at(self.deadline, self.started.connecting.handshake_data()).await;
        let data = data.map_err(|_| timed_out(&self.endpoint))?.map_err(failed)?;
        Ok(tls::negotiated_alpn(data).unwrap_or_default().into())
    }

    /// Completes the handshake.
    pub async fn finish(self) -> Result<Connection, Failure> {
        let Self { started: Started { connecting, driver }, endpoint, deadline, half_open } = self;
        let finish = async {
            let quinn = connecting.await.map_err(failed)?;
            Connection::establish(&endpoint, quinn, Side::Server, driver).await
        };
        let result = tokio::time::timeout_at(deadline, finish).await;
        drop(half_open);
        result.unwrap_or_else(|_| Err(timed_out(&endpoint)))
    }

    /// Hands the connection out before the handshake is done: its peer is unknown, what it says may be a replay.
    pub async fn early(mut self) -> Result<Connection, Failure> {
        let alpn = self.alpn().await?;
        let Self { started: Started { connecting, driver }, endpoint, deadline, half_open } = self;
        match connecting.into_0rtt() {
            Ok((quinn, accepted)) => {
                let (sender, state) = EarlyState::channel();
                let connection =
                    Connection::early(&endpoint, quinn, Side::Server, driver, state, None);
                tracing::trace!(alpn = %String::from_utf8_lossy(&alpn), "accepted before the handshake");
                let handshake = Handshake { accepted, outcome: sender, deadline, half_open };
                watch_handshake(endpoint, connection.clone(), handshake);
                Ok(connection)
            }
            Err(_) => {
                Err(Failure::new(ErrorCode::Internal, "0-RTT is always there for an acceptor"))
            }
        }
    }
}

fn failed(error: quinn::ConnectionError) -> Failure {
    Failure::handshake(&error, Side::Server)
}

fn timed_out(endpoint: &Inner) -> Failure {
    endpoint.count_timeout();
    Failure::new(ErrorCode::HandshakeTimeout, "the dialer did not end its handshake in time")
}
