//! Dialing: from an id and some addresses to a connection.

use std::{net::SocketAddr, sync::Arc, sync::Mutex, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use gaiwan_base::{EndpointId, ErrorCode};
use quinn::{ClientConfig, crypto::rustls::QuicClientConfig};
use tokio::time::Instant;

use crate::{
    config::TransportOptions,
    connection::{Connection, Side},
    driver::{Driver, Started},
    early::{EarlyState, Handshake, watch_handshake},
    endpoint::{Endpoint, Inner, lock},
    failure::Failure,
    metrics::Gauge,
    socket::mapped,
};

/// How long an address has to answer before the next one is tried beside it (RFC 8305, section 5, recommends 250 ms).
const STAGGER: Duration = Duration::from_millis(250);
/// Client configs kept, one for each list of ALPNs, with its tickets.
const CONFIGS: usize = 32;

/// Options of one dial.
#[derive(Debug, Clone, Default)]
pub struct DialOptions {
    /// Instead of the endpoint's handshake timeout.
    pub timeout: Option<Duration>,
    /// Over the endpoint's own.
    pub transport: Option<TransportOptions>,
    /// Use 0-RTT if there is a ticket.
    pub early: bool,
}

/// The TLS configs of dials by ALPN list, most recently used last. They hold the tickets, so they outlive a dial.
#[derive(Default)]
pub(crate) struct ClientConfigs(Mutex<Vec<(Vec<Bytes>, Arc<QuicClientConfig>)>>);

impl ClientConfigs {
    fn get(&self, endpoint: &Inner, alpns: &[Bytes]) -> Result<Arc<QuicClientConfig>, Failure> {
        let mut configs = lock(&self.0);
        let entry = match configs.iter().position(|(list, _)| list == alpns) {
            Some(n) => configs.remove(n),
            None => {
                let list = alpns.iter().map(|alpn| alpn.to_vec()).collect();
                let config = endpoint.tls.client(list);
                let config =
                    config.map_err(|error| Failure::new(ErrorCode::Internal, error.to_string()))?;
                if configs.len() == CONFIGS {
                    configs.remove(0);
                }
                (alpns.to_vec(), Arc::new(config))
            }
        };
        let config = entry.1.clone();
        configs.push(entry);
        Ok(config)
    }
}

impl Endpoint {
    /// Dials `id` at `addresses`, offering `alpns` (each 1 to 255 bytes; the acceptor's order decides).
    ///
    /// The addresses are tried in order, the next one 250 ms after the last; the first finished handshake wins and the
    /// others are dropped. Dropping the future gives the attempt up. With `early` and a ticket, the connection comes
    /// back at once and [`Connection::early_state`] tells of its handshake.
    pub async fn connect(
        &self,
        id: EndpointId,
        addresses: &[SocketAddr],
        alpns: &[Bytes],
        options: DialOptions,
    ) -> Result<Connection, Failure> {
        let inner = &self.0;
        if inner.is_closed() {
            return Err(Failure::endpoint_closed());
        }
        if id == inner.id {
            return Err(Failure::new(ErrorCode::SelfDial, "this is the endpoint's own id"));
        }
        let (open, unfinished) = inner.load();
        if open + unfinished >= inner.options.max_connections {
            return Err(Failure::new(
                ErrorCode::LimitReached,
                "maxConnections connections are open",
            ));
        }
        let addresses = candidates(inner, &id, addresses);
        if addresses.is_empty() {
            return Err(Failure::new(
                ErrorCode::NoAddress,
                "there is no address that a bound socket can reach",
            ));
        }
        let mut config = ClientConfig::new(inner.client_configs.get(inner, alpns)?);
        config.token_store(inner.tokens.clone());
        config.transport_config(inner.dial_transport(options.transport.clone()));

        let limit = options.timeout.unwrap_or(inner.options.handshake_timeout);
        let deadline = Instant::now() + limit;
        let dial = Dial { inner, id, config, name: id.server_name() };
        let half_open = Gauge::new(inner.metrics.clone(), |metrics| &metrics.half_open);
        let (first, rest) = if options.early {
            let Started { connecting, driver } = dial.start(addresses[0])?;
            match connecting.into_0rtt() {
                Ok((quinn, accepted)) => {
                    let (outcome, state) = EarlyState::channel();
                    // Of several ALPNs the ticket's is used, which only the handshake tells.
                    let alpn = if let [only] = alpns { Some(only.clone()) } else { None };
                    let known = Some((id, alpn));
                    let connection =
                        Connection::early(inner, quinn, Side::Client, driver, state, known);
                    let handshake = Handshake { accepted, outcome, deadline, half_open };
                    watch_handshake(inner.clone(), connection.clone(), handshake);
                    return Ok(connection);
                }
                // No ticket: what was started is the first runner of the ordinary race.
                Err(connecting) => (Some(Started { connecting, driver }), &addresses[1..]),
            }
        } else {
            (None, addresses.as_slice())
        };
        let mut answer = None;
        let attempt = async {
            let (quinn, driver) = dial.race(first, rest, &mut answer).await?;
            // Only the winner meets the hook, and a no of the hook is not answered by trying the next address.
            dial.establish(quinn, driver).await
        };
        let result = tokio::time::timeout_at(deadline, attempt).await;
        result.unwrap_or_else(|_| {
            inner.count_timeout();
            let text = format!("no handshake within {} ms", limit.as_millis());
            Err(answer.unwrap_or_else(|| Failure::new(ErrorCode::HandshakeTimeout, text)))
        })
    }
}

/// The addresses worth a try, without repeats, one that worked before in front.
fn candidates(inner: &Inner, id: &EndpointId, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut list: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    for address in addresses {
        let dialable = address.port() != 0 && !address.ip().is_unspecified();
        if dialable && !list.contains(address) && inner.reaches(*address) {
            list.push(*address);
        }
    }
    let known = if list.len() > 1 { inner.peers.get(id) } else { None };
    if let Some(n) =
        known.iter().flatten().find_map(|known| list.iter().position(|a| *a == known.address))
    {
        list[..=n].rotate_right(1);
    }
    list
}

struct Dial<'a> {
    inner: &'a Arc<Inner>,
    id: EndpointId,
    config: ClientConfig,
    name: String,
}

impl Dial<'_> {
    fn start(&self, address: SocketAddr) -> Result<Started, Failure> {
        let config = self.config.clone();
        let connecting = self.inner.quinn.connect_with(config, mapped(address), &self.name);
        connecting.map(Started::new).map_err(|error| match error {
            quinn::ConnectError::EndpointStopping => Failure::endpoint_closed(),
            error => Failure::new(ErrorCode::NoAddress, format!("{address}: {error}")),
        })
    }

    async fn finish(&self, started: Started) -> Result<(quinn::Connection, Arc<Driver>), Failure> {
        let Started { connecting, driver } = started;
        let quinn = connecting.await.map_err(|error| {
            if self.inner.is_closed() {
                Failure::endpoint_closed()
            } else {
                Failure::handshake(&error, Side::Client)
            }
        })?;
        Ok((quinn, driver))
    }

    async fn establish(
        &self,
        quinn: quinn::Connection,
        driver: Arc<Driver>,
    ) -> Result<Connection, Failure> {
        let connection = Connection::establish(self.inner, quinn, Side::Client, driver).await?;
        if connection.remote_id() == Some(self.id) {
            return Ok(connection);
        }
        // The verifier has made sure already; a resumed session must not be an exception.
        connection.close(0, b"");
        Err(Failure::new(ErrorCode::PeerKeyMismatch, "the peer holds another key"))
    }

    /// Runs `first` and `rest`, each a stagger after the one before, or at once when all before have failed. `failure`
    /// is the most telling one so far, for a caller who gives up meanwhile.
    async fn race(
        &self,
        first: Option<Started>,
        rest: &[SocketAddr],
        failure: &mut Option<Failure>,
    ) -> Result<(quinn::Connection, Arc<Driver>), Failure> {
        let mut running = FuturesUnordered::new();
        let mut rest = rest.iter();
        if let Some(started) = first {
            running.push(self.finish(started));
        }
        loop {
            if running.is_empty() {
                match rest.next().map(|address| self.start(*address)) {
                    Some(Ok(started)) => running.push(self.finish(started)),
                    Some(Err(error)) => {
                        note(failure, error);
                        continue;
                    }
                    None => {
                        let none = || {
                            Failure::new(ErrorCode::NoAddress, "there is no address left to try")
                        };
                        return Err(failure.take().unwrap_or_else(none));
                    }
                }
            }
            tokio::select! {
                Some(result) = running.next() => match result {
                    Ok(winner) => return Ok(winner),
                    Err(error) => note(failure, error),
                },
                () = tokio::time::sleep(STAGGER), if rest.len() > 0 => {
                    match rest.next().map(|address| self.start(*address)) {
                        Some(Ok(started)) => running.push(self.finish(started)),
                        Some(Err(error)) => note(failure, error),
                        None => {}
                    }
                }
            }
        }
    }
}

/// Keeps the failure that tells more: an answer of a peer over silence.
fn note(failure: &mut Option<Failure>, error: Failure) {
    let silent = matches!(error.code, ErrorCode::HandshakeTimeout | ErrorCode::NoAddress);
    if failure.is_none() || !silent {
        *failure = Some(error);
    }
}
