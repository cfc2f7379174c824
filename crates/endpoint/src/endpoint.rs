//! The endpoint: sockets, identity, and the life between `bind` and `close`.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use gaiwan_base::{EndpointId, ErrorCode, SecretKey};
use quinn::{
    AsyncUdpSocket, BloomTokenLog, ServerConfig, TokenMemoryCache, TransportConfig,
    ValidationTokenConfig, VarInt,
};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::{
    accept::{self, Mode},
    config::{EndpointOptions, TransportOptions},
    connection::Side,
    dial::ClientConfigs,
    driver::{self, TokioRuntime},
    failure::Failure,
    incoming::Incoming,
    metrics::{Metrics, SocketCounters},
    peers::{KnownAddress, Peers},
    router::BoxFuture,
    socket::{SocketInfo, UdpSockets},
    tls::Tls,
};

/// Attempts that may wait for `Endpoint::accept`; while full, new ones are refused.
pub(crate) const QUEUE: usize = 128;
/// Time for packets on their way out when nobody has to be waited for.
const LAST_PACKETS: Duration = Duration::from_millis(50);

/// What a hook learns of a connection before anyone gets it. Plain data: a handle would keep the connection alive.
#[derive(Debug, Clone)]
pub struct HandshakeInfo {
    /// Proven.
    pub remote_id: EndpointId,
    /// Chosen.
    pub alpn: Bytes,
    /// Who dialed.
    pub side: Side,
    /// The peer's address.
    pub remote_address: SocketAddr,
}

/// The answer of an [`AfterHandshake`] hook.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Close with an application code and a reason that the peer reads.
    Close {
        /// 0 to 2^62 - 1.
        code: u64,
        /// At most 1 KiB is sent.
        reason: String,
    },
}

/// Asked after each handshake, in both directions.
pub trait AfterHandshake: Send + Sync + 'static {
    /// Decides about one connection.
    fn after_handshake(&self, info: HandshakeInfo) -> BoxFuture<'_, Verdict>;
}

/// The local sockets with an identity. Clones are handles of one endpoint.
#[derive(Clone)]
pub struct Endpoint(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) quinn: quinn::Endpoint,
    pub(crate) id: EndpointId,
    pub(crate) tls: Tls,
    pub(crate) options: EndpointOptions,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) client_configs: ClientConfigs,
    pub(crate) tokens: Arc<TokenMemoryCache>,
    /// What the accept loop does with an attempt.
    pub(crate) mode: Mutex<Mode>,
    pub(crate) accepts_any: AtomicBool,
    server_config: Mutex<ServerConfig>,
    sockets: Mutex<Arc<UdpSockets>>,
    counters: Arc<SocketCounters>,
    queue: AsyncMutex<mpsc::Receiver<Incoming>>,
    hook: OnceLock<Arc<dyn AfterHandshake>>,
    pub(crate) peers: Peers,
    /// Established connections by stable id; closing asks for their round trips.
    open: Mutex<HashMap<u64, quinn::Connection>>,
    stable_ids: AtomicU64,
    shared_transport: Arc<TransportConfig>,
    qlog_files: AtomicUsize,
    closed: AtomicBool,
}

impl Endpoint {
    /// Binds the sockets and starts the accept loop; must be called inside a tokio runtime.
    pub fn bind(key: &SecretKey, options: EndpointOptions) -> Result<Self, Failure> {
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(ErrorCode::BindFailed, error.to_string());
        let counters = Arc::new(SocketCounters::default());
        let sockets = Arc::new(
            UdpSockets::bind(&options.bind, counters.clone()).map_err(|error| failed(&error))?,
        );
        let tls = Tls::new(key, options.max_tls_tickets, options.keylog)
            .map_err(|error| failed(&error))?;

        let mut config = quinn::EndpointConfig::default();
        // The first byte tells QUIC from other datagrams on this socket only while the fixed bit is set.
        config.grease_quic_bit(false);
        let shared_transport = Arc::new(options.transport.build());
        let server_config = server_config(&tls, &options, shared_transport.clone())
            .map_err(|error| failed(&error))?;
        let quinn = quinn::Endpoint::new_with_abstract_socket(
            config,
            Some(server_config.clone()),
            sockets.clone() as Arc<dyn AsyncUdpSocket>,
            Arc::new(TokioRuntime),
        )
        .map_err(|error| failed(&error))?;
        driver::mark_endpoint();

        let (sender, receiver) = mpsc::channel(QUEUE);
        let inner = Arc::new(Inner {
            quinn,
            id: key.id(),
            tls,
            accepts_any: AtomicBool::new(!options.alpns.is_empty()),
            options,
            metrics: Arc::default(),
            client_configs: ClientConfigs::default(),
            tokens: Arc::new(TokenMemoryCache::default()),
            mode: Mutex::new(Mode::Queue(sender)),
            server_config: Mutex::new(server_config),
            sockets: Mutex::new(sockets),
            counters,
            queue: AsyncMutex::new(receiver),
            hook: OnceLock::new(),
            peers: Peers::default(),
            open: Mutex::default(),
            stable_ids: AtomicU64::new(1),
            shared_transport,
            qlog_files: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        });
        tokio::spawn(accept::run(inner.clone()));
        Ok(Self(inner))
    }

    /// The public key of this endpoint.
    pub fn id(&self) -> EndpointId {
        self.0.id
    }

    /// The QUIC settings that connections have unless they are given others.
    pub fn transport(&self) -> &TransportOptions {
        &self.0.options.transport
    }

    /// The sockets, with their real ports.
    pub fn sockets(&self) -> Vec<SocketInfo> {
        lock(&self.0.sockets).info()
    }

    /// Sets the hook that is asked after each handshake; only the first call counts.
    pub fn set_hook(&self, hook: Arc<dyn AfterHandshake>) {
        let _ = self.0.hook.set(hook);
    }

    /// The next attempt, `None` once closed. Many may wait; each attempt goes to one.
    pub async fn accept(&self) -> Option<Incoming> {
        let mut queue = self.0.queue.lock().await;
        let next = queue.recv().await;
        if self.is_closed() {
            // What still waits is refused: each holds this endpoint and would keep it for ever.
            while queue.try_recv().is_ok() {}
            return None;
        }
        next
    }

    /// Replaces the ALPNs for later attempts; running connections keep theirs. With none, every attempt is refused.
    pub fn set_alpns(&self, alpns: &[Bytes]) -> Result<(), Failure> {
        if self.is_closed() {
            return Err(Failure::endpoint_closed());
        }
        let list = alpns.iter().map(|alpn| alpn.to_vec()).collect();
        let crypto = self
            .0
            .tls
            .server(list)
            .map_err(|error| Failure::new(ErrorCode::Internal, error.to_string()))?;
        let mut config = lock(&self.0.server_config);
        config.crypto = Arc::new(crypto);
        self.0.quinn.set_server_config(Some(config.clone()));
        self.0.accepts_any.store(!alpns.is_empty(), Relaxed);
        Ok(())
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> Vec<(&'static str, u64)> {
        self.0.metrics.snapshot(&self.0.counters, &self.0.quinn.stats())
    }

    /// What is known of a peer's addresses, newest first.
    pub fn known_addresses(&self, id: &EndpointId) -> Option<Vec<KnownAddress>> {
        self.0.peers.get(id)
    }

    /// Opens new sockets after the network changed; connections move to them. A fixed port that is still held by the
    /// old socket is given up for a free one: [`Endpoint::sockets`] tells.
    pub fn rebind(&self) -> Result<(), Failure> {
        if self.is_closed() {
            return Err(Failure::endpoint_closed());
        }
        let failed = |error: std::io::Error| Failure::new(ErrorCode::BindFailed, error.to_string());
        let mut wanted = self.0.options.bind.clone();
        let sockets = UdpSockets::bind(&wanted, self.0.counters.clone()).or_else(|_| {
            wanted.iter_mut().for_each(|bind| bind.address.set_port(0));
            UdpSockets::bind(&wanted, self.0.counters.clone())
        });
        let sockets = Arc::new(sockets.map_err(failed)?);
        self.0.quinn.rebind_abstract(sockets.clone()).map_err(failed)?;
        *lock(&self.0.sockets) = sockets;
        Ok(())
    }

    /// Whether `close` was called.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Relaxed)
    }

    /// Closes every connection with code 0 and waits until the peers know, at most `close_timeout`. Idempotent.
    pub async fn close(&self) {
        let patience = self.0.drain_time().min(self.0.options.close_timeout);
        self.close_now();
        let idle = self.0.quinn.wait_idle();
        if tokio::time::timeout(patience, idle).await.is_err() {
            tracing::debug!("closing an endpoint did not wait for all of its peers");
        }
        self.give_up_sockets().await;
    }

    /// Closes the sockets under connections that still drain: a peer that dials the old port must find nobody there,
    /// not an endpoint that refuses.
    async fn give_up_sockets(&self) {
        let none = Arc::new(UdpSockets::none(self.0.counters.clone()));
        let sockets = Arc::downgrade(&std::mem::replace(&mut *lock(&self.0.sockets), none.clone()));
        // Twice, since quinn keeps the socket before the last for packets on their way.
        for _ in 0..2 {
            if let Err(error) = self.0.quinn.rebind_abstract(none.clone()) {
                tracing::debug!(%error, "a closed endpoint keeps its sockets");
            }
        }
        // Connections let go when their drivers run next; there is no event for that.
        for _ in 0..LAST_PACKETS.as_millis() {
            if sockets.strong_count() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The first half of [`Endpoint::close`], for those who can't wait.
    pub fn close_now(&self) {
        self.0.closed.store(true, Relaxed);
        self.0.quinn.close(VarInt::from_u32(0), b"");
        // A closed queue is what tells `accept` that there is nothing more to come.
        *lock(&self.0.mode) = Mode::Closed;
        drop(self.0.take_queued());
    }
}

impl Inner {
    pub(crate) fn next_stable_id(&self) -> u64 {
        self.stable_ids.fetch_add(1, Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// The attempts that wait for `Endpoint::accept`. Whoever waits there right now has them, if there are any.
    pub(crate) fn take_queued(&self) -> Vec<Incoming> {
        let Ok(mut queue) = self.queue.try_lock() else { return Vec::new() };
        std::iter::from_fn(|| queue.try_recv().ok()).collect()
    }

    pub(crate) fn hook(&self) -> Option<&Arc<dyn AfterHandshake>> {
        self.hook.get()
    }

    pub(crate) fn reaches(&self, address: SocketAddr) -> bool {
        lock(&self.sockets).reaches(address)
    }

    pub(crate) fn local_ip(&self, told: IpAddr) -> IpAddr {
        lock(&self.sockets).local_ip(told)
    }

    /// How long the slowest open connection takes to drain: three probe timeouts (RFC 9000, section 10.2), each at most
    /// thrice the round trip, the peer's 25 ms of delay and some for coarse timers. A handshake that failed would drain for seconds, by the
    /// round trip that it had to guess, and nobody is at its other end: it only gets the time to send its last packet.
    fn drain_time(&self) -> Duration {
        let open = lock(&self.open);
        let slowest = open.values().map(quinn::Connection::rtt).max();
        slowest.map_or(LAST_PACKETS, |rtt| 3 * (3 * rtt + Duration::from_millis(35)))
    }

    pub(crate) fn opened(
        &self,
        stable_id: u64,
        quinn: &quinn::Connection,
        remote: EndpointId,
        address: SocketAddr,
    ) {
        lock(&self.open).insert(stable_id, quinn.clone());
        self.metrics.num_conns_opened.fetch_add(1, Relaxed);
        self.metrics.num_conns_direct.fetch_add(1, Relaxed);
        self.peers.opened(remote, address);
    }

    pub(crate) fn closed(&self, stable_id: u64, remote: EndpointId, address: SocketAddr) {
        lock(&self.open).remove(&stable_id);
        self.metrics.num_conns_closed.fetch_add(1, Relaxed);
        self.peers.closed(remote, address);
    }

    pub(crate) fn count_timeout(&self) {
        self.metrics.handshake_timeouts.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_early(&self, accepted: bool) {
        let metrics = &self.metrics;
        let counter = if accepted { &metrics.early_accepted } else { &metrics.early_rejected };
        counter.fetch_add(1, Relaxed);
    }

    /// Open connections and unfinished handshakes, against `max_connections`.
    pub(crate) fn load(&self) -> (usize, usize) {
        let open = self.metrics.connections_open.load(Relaxed);
        let unfinished = self.metrics.half_open.load(Relaxed);
        (
            usize::try_from(open).unwrap_or(usize::MAX),
            usize::try_from(unfinished).unwrap_or(usize::MAX),
        )
    }

    /// The transport of one dial: the one that all share, unless it has options or a qlog file of its own.
    pub(crate) fn dial_transport(&self, own: Option<TransportOptions>) -> Arc<TransportConfig> {
        match own {
            None if self.options.qlog.is_none() => self.shared_transport.clone(),
            own => self.transport(&own.unwrap_or_default().over(&self.options.transport)),
        }
    }

    /// The transport of one connection, with its own qlog file if they are wanted.
    fn transport(&self, options: &TransportOptions) -> Arc<TransportConfig> {
        let mut config = options.build();
        if let Some(folder) = &self.options.qlog {
            let n = self.qlog_files.fetch_add(1, Relaxed);
            let path = folder.join(format!("{}-{}-{n}.sqlog", self.id.short(), std::process::id()));
            match std::fs::File::create(&path) {
                Ok(file) => {
                    let mut qlog = quinn::QlogConfig::default();
                    qlog.writer(Box::new(std::io::BufWriter::new(file)));
                    config.qlog_stream(qlog.into_stream());
                }
                Err(error) => tracing::warn!(%error, "a qlog file could not be made"),
            }
        }
        Arc::new(config)
    }

    /// A server config for one attempt, if it differs from the endpoint's.
    pub(crate) fn server_config_with(
        &self,
        transport: Option<TransportOptions>,
    ) -> Option<Arc<ServerConfig>> {
        if transport.is_none() && self.options.qlog.is_none() {
            return None;
        }
        let options = transport.unwrap_or_default().over(&self.options.transport);
        let mut config = lock(&self.server_config).clone();
        config.transport_config(self.transport(&options));
        Some(Arc::new(config))
    }
}

fn server_config(
    tls: &Tls,
    options: &EndpointOptions,
    transport: Arc<TransportConfig>,
) -> Result<ServerConfig, rustls::Error> {
    let alpns = options.alpns.iter().map(|alpn| alpn.to_vec()).collect();
    let mut config = ServerConfig::with_crypto(Arc::new(tls.server(alpns)?));
    config.transport_config(transport);
    config.max_incoming(options.max_incoming);
    config.incoming_buffer_size(1024 * 1024);
    config.incoming_buffer_size_total(16 * 1024 * 1024);
    let mut tokens = ValidationTokenConfig::default();
    tokens.log(Arc::new(BloomTokenLog::default())).sent(2);
    config.validation_token_config(tokens);
    Ok(config)
}

/// A lock whose data is whole even if a holder panicked: every critical section here is a few plain assignments.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
