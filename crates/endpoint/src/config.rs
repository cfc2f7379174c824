//! Options of an endpoint and of its transport, and what quinn makes of them.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt, congestion};

/// Which congestion controller a connection uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 9438, the default of the reference.
    #[default]
    Cubic,
    /// RFC 9002, section 7.
    NewReno,
    /// Experimental in quinn.
    Bbr,
}

/// QUIC settings; `None` is gaiwan's default, which is quinn's unless said otherwise.
#[derive(Debug, Clone, Default)]
pub struct TransportOptions {
    /// Silence that ends a connection; 30 s.
    pub idle_timeout: Option<Duration>,
    /// Ping interval, zero for none; 5 s as the reference has it, for NATs and relays forget quiet peers.
    pub keep_alive: Option<Duration>,
    /// Bi streams the peer may have open; 100.
    pub max_bidi_streams: Option<u32>,
    /// Uni streams the peer may have open; 100.
    pub max_uni_streams: Option<u32>,
    /// Bytes that one stream may be ahead of its reader.
    pub stream_receive_window: Option<u64>,
    /// Bytes that all streams may be ahead; 16 MiB, where quinn has no bound at all.
    pub receive_window: Option<u64>,
    /// Bytes sent and not acknowledged.
    pub send_window: Option<u64>,
    /// Bytes of unread datagrams, zero for no datagrams.
    pub datagram_receive_buffer: Option<usize>,
    /// Bytes of unsent datagrams.
    pub datagram_send_buffer: Option<usize>,
    /// First guess of the round trip.
    pub initial_rtt: Option<Duration>,
    /// Bytes of a packet at the start, at least 1200.
    pub initial_mtu: Option<u16>,
    /// Bytes of a packet that every path must carry, at least 1200.
    pub min_mtu: Option<u16>,
    /// Upper bound of the search for larger packets, zero for no search.
    pub mtu_upper_bound: Option<u16>,
    /// Congestion controller.
    pub congestion: Option<Congestion>,
    /// Pad application packets to the packet size.
    pub pad_to_mtu: Option<bool>,
    /// Equal streams take turns.
    pub send_fairness: Option<bool>,
}

/// The connection window that bounds what one peer can make us hold.
const RECEIVE_WINDOW: u64 = 16 * 1024 * 1024;
/// The interval of the reference, `endpoint/quic.rs` of iroh 1.4.1.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

impl TransportOptions {
    /// These options where they are set, else those of `base`.
    pub fn over(self, base: &Self) -> Self {
        Self {
            idle_timeout: self.idle_timeout.or(base.idle_timeout),
            keep_alive: self.keep_alive.or(base.keep_alive),
            max_bidi_streams: self.max_bidi_streams.or(base.max_bidi_streams),
            max_uni_streams: self.max_uni_streams.or(base.max_uni_streams),
            stream_receive_window: self.stream_receive_window.or(base.stream_receive_window),
            receive_window: self.receive_window.or(base.receive_window),
            send_window: self.send_window.or(base.send_window),
            datagram_receive_buffer: self.datagram_receive_buffer.or(base.datagram_receive_buffer),
            datagram_send_buffer: self.datagram_send_buffer.or(base.datagram_send_buffer),
            initial_rtt: self.initial_rtt.or(base.initial_rtt),
            initial_mtu: self.initial_mtu.or(base.initial_mtu),
            min_mtu: self.min_mtu.or(base.min_mtu),
            mtu_upper_bound: self.mtu_upper_bound.or(base.mtu_upper_bound),
            congestion: self.congestion.or(base.congestion),
            pad_to_mtu: self.pad_to_mtu.or(base.pad_to_mtu),
            send_fairness: self.send_fairness.or(base.send_fairness),
        }
    }

    /// The quinn config. Numbers above what QUIC can say are cut to its largest, 2^62 - 1.
    pub(crate) fn build(&self) -> TransportConfig {
        let mut config = TransportConfig::default();
        let idle = self.idle_timeout.unwrap_or(Duration::from_secs(30));
        config.max_idle_timeout(IdleTimeout::try_from(idle).ok());
        let keep_alive = self.keep_alive.unwrap_or(KEEP_ALIVE);
        config.keep_alive_interval((!keep_alive.is_zero()).then_some(keep_alive));
        config.receive_window(var_int(self.receive_window.unwrap_or(RECEIVE_WINDOW)));
        if let Some(n) = self.max_bidi_streams {
            config.max_concurrent_bidi_streams(n.into());
        }
        if let Some(n) = self.max_uni_streams {
            config.max_concurrent_uni_streams(n.into());
        }
        if let Some(n) = self.stream_receive_window {
            config.stream_receive_window(var_int(n));
        }
        if let Some(n) = self.send_window {
            config.send_window(n);
        }
        if let Some(n) = self.datagram_receive_buffer {
            config.datagram_receive_buffer_size((n > 0).then_some(n));
        }
        if let Some(n) = self.datagram_send_buffer {
            config.datagram_send_buffer_size(n);
        }
        if let Some(rtt) = self.initial_rtt {
            config.initial_rtt(rtt);
        }
        if let Some(mtu) = self.min_mtu {
            config.min_mtu(mtu);
        }
        if let Some(mtu) = self.initial_mtu {
            config.initial_mtu(mtu);
        }
        if let Some(bound) = self.mtu_upper_bound {
            config.mtu_discovery_config((bound > 0).then(|| {
                let mut discovery = MtuDiscoveryConfig::default();
                discovery.upper_bound(bound);
                discovery
            }));
        }
        match self.congestion.unwrap_or_default() {
            Congestion::Cubic => {}
            Congestion::NewReno => {
                config
                    .congestion_controller_factory(Arc::new(congestion::NewRenoConfig::default()));
            }
            Congestion::Bbr => {
                config.congestion_controller_factory(Arc::new(congestion::BbrConfig::default()));
            }
        }
        if let Some(pad) = self.pad_to_mtu {
            config.pad_to_mtu(pad);
        }
        if let Some(fair) = self.send_fairness {
            config.send_fairness(fair);
        }
        config
    }
}

/// A QUIC variable-length integer, cut to the largest there is.
pub(crate) fn var_int(n: u64) -> VarInt {
    VarInt::from_u64(n).unwrap_or(VarInt::MAX)
}

/// When dialers must prove their address first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RetryPolicy {
    /// Never.
    Never,
    /// Once a quarter of `max_incoming`, or 64 unfinished handshakes, exist.
    #[default]
    UnderLoad,
    /// Always.
    Always,
}

/// A socket to bind.
#[derive(Debug, Clone)]
pub struct BindAddr {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether `bind` fails without it.
    pub required: bool,
}

/// Options of an endpoint.
#[derive(Debug, Clone)]
pub struct EndpointOptions {
    /// Sockets; none is one dual-stack socket on a free port.
    pub bind: Vec<BindAddr>,
    /// What the endpoint takes, most preferred first.
    pub alpns: Vec<Bytes>,
    /// QUIC settings of every connection.
    pub transport: TransportOptions,
    /// Attempts that wait for a decision; more are dropped in silence.
    pub max_incoming: usize,
    /// Open connections; more are refused before the handshake.
    pub max_connections: usize,
    /// Time for a handshake, both roles.
    pub handshake_timeout: Duration,
    /// When dialers must prove their address.
    pub retry: RetryPolicy,
    /// Handshakes kept for 0-RTT by peers that dial us.
    pub max_tls_tickets: usize,
    /// How long the hook may think about one connection; then it counts as a no.
    pub hook_timeout: Duration,
    /// How long `close` waits for the peers.
    pub close_timeout: Duration,
    /// Folder for qlog files, one for each connection.
    pub qlog: Option<PathBuf>,
    /// Write TLS secrets to the file named by `SSLKEYLOGFILE`.
    pub keylog: bool,
}

impl Default for EndpointOptions {
    fn default() -> Self {
        Self {
            bind: Vec::new(),
            alpns: Vec::new(),
            transport: TransportOptions::default(),
            max_incoming: 1024,
            max_connections: 10_000,
            handshake_timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
            max_tls_tickets: 4096,
            hook_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(3),
            qlog: None,
            keylog: false,
        }
    }
}
