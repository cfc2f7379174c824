//! A connection: one peer, one ALPN.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use gaiwan_base::{EndpointId, ErrorCode};
use quinn::VarInt;

use crate::{
    close::{CloseInfo, ClosedBy},
    config::var_int,
    driver::{Driver, Inline},
    early::EarlyState,
    endpoint::{HandshakeInfo, Inner, Verdict, lock},
    failure::{Failure, cut_reason},
    metrics::Gauge,
    socket::canonical,
    tls,
};

/// Bytes that one export may ask for.
const EXPORT: usize = 8160;

/// Who dialed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This endpoint dialed.
    Client,
    /// The peer dialed.
    Server,
}

impl Side {
    /// The published text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A QUIC connection with a proven peer, or one that is about to be ([`Connection::early_state`]).
///
/// Clones are handles of one connection; when the last is dropped the connection closes with code 0. Streams that
/// quinn hands out do not count: keep a `Connection` beside them.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    quinn: quinn::Connection,
    driver: Arc<Driver>,
    side: Side,
    stable_id: u64,
    remote: OnceLock<EndpointId>,
    alpn: OnceLock<Bytes>,
    early: Option<EarlyState>,
    /// Our own close, which quinn does not keep.
    closed: OnceLock<(u64, Bytes)>,
    /// How it ended. quinn 0.11 replaces it when a stateless reset follows; the first that was seen counts.
    ended: Arc<OnceLock<quinn::ConnectionError>>,
    /// Its place among the open connections, given back by whatever ends it first: who closes and dials again must
    /// not meet a limit that a task has yet to lower.
    place: Arc<Mutex<Option<Gauge>>>,
    /// A request was given up half-sent, which a serial peer may wait for.
    tainted: AtomicBool,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.quinn.close(VarInt::from_u32(0), b"");
        lock(&self.place).take();
    }
}

impl Connection {
    /// Wraps a connection whose handshake is done: reads the peer's id, asks the hook, starts the books.
    pub(crate) async fn establish(
        endpoint: &Arc<Inner>,
        quinn: quinn::Connection,
        side: Side,
        driver: Arc<Driver>,
    ) -> Result<Self, Failure> {
        let connection = Self::wrap(endpoint, quinn, side, driver, None);
        connection.complete(endpoint).await?;
        Ok(connection)
    }

    /// Wraps a connection whose handshake still runs; `remote` and `alpn` are what the dialer knows already.
    pub(crate) fn early(
        endpoint: &Arc<Inner>,
        quinn: quinn::Connection,
        side: Side,
        driver: Arc<Driver>,
        state: EarlyState,
        known: Option<(EndpointId, Option<Bytes>)>,
    ) -> Self {
        let connection = Self::wrap(endpoint, quinn, side, driver, Some(state));
        if let Some((remote, alpn)) = known {
            let _ = connection.0.remote.set(remote);
            if let Some(alpn) = alpn {
                let _ = connection.0.alpn.set(alpn);
            }
        }
        connection
    }

    fn wrap(
        endpoint: &Arc<Inner>,
        quinn: quinn::Connection,
        side: Side,
        driver: Arc<Driver>,
        early: Option<EarlyState>,
    ) -> Self {
        Self(Arc::new(Shared {
            quinn,
            driver,
            side,
            stable_id: endpoint.next_stable_id(),
            remote: OnceLock::new(),
            alpn: OnceLock::new(),
            early,
            closed: OnceLock::new(),
            ended: Arc::default(),
            place: Arc::default(),
            tainted: AtomicBool::new(false),
        }))
    }

    /// What follows a finished handshake, in either form.
    pub(crate) async fn complete(&self, endpoint: &Arc<Inner>) -> Result<(), Failure> {
        let quinn = &self.0.quinn;
        let Some(remote) = tls::peer_id(quinn) else {
            self.close(0, b"");
            return Err(Failure::new(
                ErrorCode::PeerUnauthenticated,
                "the peer showed no usable key",
            ));
        };
        let alpn = quinn.handshake_data().and_then(tls::negotiated_alpn).unwrap_or_default();
        let _ = self.0.remote.set(remote);
        let _ = self.0.alpn.set(alpn.into());
        if let Some(hook) = endpoint.hook() {
            let info = HandshakeInfo {
                remote_id: remote,
                alpn: self.alpn(),
                side: self.0.side,
                remote_address: self.remote_address(),
            };
            let verdict =
                tokio::time::timeout(endpoint.options.hook_timeout, hook.after_handshake(info))
                    .await
                    .unwrap_or_else(|_| Verdict::Close { code: 0, reason: String::new() });
            if let Verdict::Close { code, reason } = verdict {
                self.close(code, reason.as_bytes());
                return Err(Failure::new(ErrorCode::NotAllowed, "a hook refused the connection"));
            }
        }
        let address = self.remote_address();
        let endpoint = endpoint.clone();
        let id = self.0.stable_id;
        endpoint.opened(id, quinn, remote, address);
        let gauge = Gauge::new(endpoint.metrics.clone(), |metrics| &metrics.connections_open);
        let place = self.0.place.clone();
        *lock(&place) = Some(gauge);
        let (quinn, ended) = (quinn.clone(), self.0.ended.clone());
        tokio::spawn(async move {
            let error = quinn.closed().await;
            ended.get_or_init(|| error);
            lock(&place).take();
            endpoint.closed(id, remote, address);
        });
        Ok(())
    }

    /// quinn's connection, for streams and datagrams.
    pub fn quinn(&self) -> &quinn::Connection {
        &self.0.quinn
    }

    /// Lets this thread send for the connection until the answer is dropped, without waking the runtime; `None` if the
    /// runtime is at the connection right now. Inside a tokio runtime only, and nothing may wait meanwhile.
    pub fn inline(&self) -> Option<Inline<'_>> {
        self.0.driver.inline()
    }

    /// Notes that a stream was given up with half a request in it: new requests had better take another connection.
    pub fn taint(&self) {
        self.0.tainted.store(true, Relaxed);
    }

    /// Whether [`Connection::taint`] was called.
    pub fn is_tainted(&self) -> bool {
        self.0.tainted.load(Relaxed)
    }

    /// Who dialed.
    pub fn side(&self) -> Side {
        self.0.side
    }

    /// Unique within the endpoint, unlike quinn's.
    pub fn stable_id(&self) -> u64 {
        self.0.stable_id
    }

    /// The peer; `None` only before an accepted 0-RTT handshake is done.
    pub fn remote_id(&self) -> Option<EndpointId> {
        self.0.remote.get().copied()
    }

    /// The ALPN; empty only before a 0-RTT handshake is done, if it was accepted or dialed with several ALPNs.
    pub fn alpn(&self) -> Bytes {
        self.0.alpn.get().cloned().unwrap_or_default()
    }

    /// The peer's address on the path in use, IPv4 as such.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.0.quinn.remote_address())
    }

    /// The handshake that may still run, for connections made or accepted with 0-RTT.
    pub fn early_state(&self) -> Option<&EarlyState> {
        self.0.early.as_ref()
    }

    /// Closes at once: data that is not acknowledged is lost. `reason` is cut to 1 KiB; the first close counts.
    pub fn close(&self, code: u64, reason: &[u8]) {
        let reason = cut_reason(reason);
        // Of two that close at once only one may speak to quinn, or the peer could hear another code than we tell here.
        if self.ended().is_none() && self.0.closed.set((code, reason.clone())).is_ok() {
            self.0.quinn.close(var_int(code), &reason);
            self.ended();
            lock(&self.0.place).take();
        }
    }

    /// How it ended, `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.ended().map(|error| {
            let info = CloseInfo::from(error);
            match (info.by, self.0.closed.get()) {
                (ClosedBy::Local, Some((code, reason))) => {
                    CloseInfo { by: ClosedBy::Local, code: Some(*code), reason: reason.clone() }
                }
                _ => info,
            }
        })
    }

    /// The failure that calls on this connection report once it has ended.
    pub fn failure(&self) -> Option<Failure> {
        self.ended().map(Failure::connection)
    }

    fn ended(&self) -> Option<&quinn::ConnectionError> {
        let ended = &self.0.ended;
        ended.get().or_else(|| self.0.quinn.close_reason().map(|error| ended.get_or_init(|| error)))
    }

    /// RFC 5705 exporter, 1 to 8160 bytes (255 blocks of SHA-256, so that every suite can); both ends get the same.
    pub fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), Failure> {
        let refused = || {
            Failure::new(
                ErrorCode::NotAllowed,
                "keying material can't be exported: wrong length or no handshake yet",
            )
        };
        if !(1..=EXPORT).contains(&output.len()) {
            return Err(refused());
        }
        self.0.quinn.export_keying_material(output, label, context).map_err(|_| refused())
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let remote = self.remote_id().map(|id| id.short());
        f.debug_struct("Connection")
            .field("remote", &remote)
            .field("side", &self.0.side)
            .finish_non_exhaustive()
    }
}
