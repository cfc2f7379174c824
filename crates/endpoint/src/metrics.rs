//! Counters and gauges of an endpoint, named as iroh 1.4.1 names them where the meaning is equal.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: AtomicU64,)+ }

        impl $name {
            fn collect(&self, into: &mut Vec<(&'static str, u64)>) {
                $(into.push(($text, self.$field.load(Relaxed)));)+
            }
        }
    };
}

counters! {
    /// Bytes and datagrams of the UDP sockets.
    SocketCounters {
        send_ipv4 = "socket_send_ipv4",
        send_ipv6 = "socket_send_ipv6",
        recv_data_ipv4 = "socket_recv_data_ipv4",
        recv_data_ipv6 = "socket_recv_data_ipv6",
        recv_datagrams = "socket_recv_datagrams",
        recv_gro_datagrams = "socket_recv_gro_datagrams",
    }
}

impl SocketCounters {
    pub(crate) fn sent(&self, ipv4: bool, bytes: usize) {
        let counter = if ipv4 { &self.send_ipv4 } else { &self.send_ipv6 };
        counter.fetch_add(bytes as u64, Relaxed);
    }

    /// `stride` is the size of one datagram in a batch that the kernel joined (GRO).
    pub(crate) fn received(&self, ipv4: bool, bytes: usize, stride: usize) {
        let counter = if ipv4 { &self.recv_data_ipv4 } else { &self.recv_data_ipv6 };
        counter.fetch_add(bytes as u64, Relaxed);
        let datagrams = bytes.div_ceil(stride.max(1)) as u64;
        self.recv_datagrams.fetch_add(datagrams, Relaxed);
        if datagrams > 1 {
            self.recv_gro_datagrams.fetch_add(1, Relaxed);
        }
    }
}

counters! {
    /// What happened to connections and attempts.
    Metrics {
        num_conns_opened = "socket_num_conns_opened",
        num_conns_closed = "socket_num_conns_closed",
        num_conns_direct = "socket_num_conns_direct",
        handshake_timeouts = "quic_handshake_timeouts",
        /// Gauge.
        half_open = "quic_handshakes_unfinished",
        /// Gauge.
        connections_open = "quic_connections_open",
        early_accepted = "quic_early_accepted",
        early_rejected = "quic_early_rejected",
        queue_full_refusals = "quic_queue_full_refusals",
        limit_refusals = "quic_limit_refusals",
        retries = "quic_retries",
    }
}

impl Metrics {
    pub(crate) fn snapshot(
        &self,
        sockets: &SocketCounters,
        quinn: &quinn::EndpointStats,
    ) -> Vec<(&'static str, u64)> {
        let mut all = Vec::with_capacity(24);
        sockets.collect(&mut all);
        self.collect(&mut all);
        all.extend([
            ("quic_accepted_handshakes", quinn.accepted_handshakes),
            ("quic_outgoing_handshakes", quinn.outgoing_handshakes),
            ("quic_refused_handshakes", quinn.refused_handshakes),
            ("quic_ignored_handshakes", quinn.ignored_handshakes),
        ]);
        all
    }
}

/// One more of a gauge while it lives.
#[derive(Debug)]
pub(crate) struct Gauge {
    metrics: std::sync::Arc<Metrics>,
    pick: fn(&Metrics) -> &AtomicU64,
}

impl Gauge {
    pub(crate) fn new(metrics: std::sync::Arc<Metrics>, pick: fn(&Metrics) -> &AtomicU64) -> Self {
        pick(&metrics).fetch_add(1, Relaxed);
        Self { metrics, pick }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        (self.pick)(&self.metrics).fetch_sub(1, Relaxed);
    }
}
