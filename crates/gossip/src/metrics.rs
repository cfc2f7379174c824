//! Counts, by the names of the reference (`src/metrics.rs` of iroh-gossip 0.101, group `gossip`) and some more.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What happened so far.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics {
            $($(#[$doc])* pub(crate) $name: AtomicU64,)+
        }

        impl Metrics {
            /// All, in the order of declaration.
            pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Relaxed)),)+]
            }
        }
    };
}

metrics! {
    /// Control messages sent.
    msgs_ctrl_sent,
    /// Control messages received.
    msgs_ctrl_recv,
    /// Data messages sent.
    msgs_data_sent,
    /// Data messages received.
    msgs_data_recv,
    /// Bytes of data messages sent; each body counts with the 32 bytes of its topic.
    msgs_data_sent_size,
    /// Bytes of data messages received.
    msgs_data_recv_size,
    /// Bytes of control messages sent.
    msgs_ctrl_sent_size,
    /// Bytes of control messages received.
    msgs_ctrl_recv_size,
    /// Neighbors won.
    neighbor_up,
    /// Neighbors lost.
    neighbor_down,
    /// Turns of the topics' tasks.
    actor_tick_main,
    /// Commands of the application.
    actor_tick_rx,
    /// Connections that came or ended.
    actor_tick_endpoint,
    /// Dials begun.
    actor_tick_dialer,
    /// Dials that made a connection.
    actor_tick_dialer_success,
    /// Dials that failed.
    actor_tick_dialer_failure,
    /// Inputs of the state machines.
    actor_tick_in_event_rx,
    /// Timers that ran.
    actor_tick_timers,
    /// Connections that are open now.
    open_connections,
    /// Dials that wait or run now.
    dials_pending,
    /// Data frames dropped because their peer's queue was full.
    queue_dropped_data,
    /// Peers given up because they took no byte for 10 s.
    peers_stalled,
    /// Frames over the limit, in either direction.
    frames_oversized,
    /// Bodies that are no message, or break a rule.
    frames_undecodable,
    /// Events dropped because nobody read them.
    lagged_events,
    /// Ids of IHave messages over their rate.
    ids_rate_limited,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Metrics {
    /// A message that was queued for a peer.
    pub(crate) fn sent(&self, is_data: bool, body: usize) {
        let (messages, bytes) = match is_data {
            true => (&self.msgs_data_sent, &self.msgs_data_sent_size),
            false => (&self.msgs_ctrl_sent, &self.msgs_ctrl_sent_size),
        };
        count(messages);
        bytes.fetch_add(body as u64 + 32, Relaxed);
    }

    /// A message that came from a peer.
    pub(crate) fn received(&self, is_data: bool, body: usize) {
        let (messages, bytes) = match is_data {
            true => (&self.msgs_data_recv, &self.msgs_data_recv_size),
            false => (&self.msgs_ctrl_recv, &self.msgs_ctrl_recv_size),
        };
        count(messages);
        bytes.fetch_add(body as u64 + 32, Relaxed);
    }
}
