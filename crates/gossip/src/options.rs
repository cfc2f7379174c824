//! What a gossip instance can be told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use gaiwan_base::EndpointId;
use gaiwan_endpoint::{BoxFuture, Connection, Failure};
use iroh_gossip::proto::{HyparviewConfig, PlumtreeConfig, topic};

use crate::{ALPN, proto};

/// Smallest `max_message_bytes`: below it the state panics (`MIN_MAX_MESSAGE_SIZE` of iroh-gossip 0.101, `src/proto.rs`).
pub const MIN_MESSAGE_BYTES: usize = 512;
/// Largest `max_message_bytes`: a longer frame closes its connection, whoever sent it.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// Asked about every incoming connection.
pub trait Accept: Send + Sync + 'static {
    /// Whether `remote` may connect. No answer within 5 s is a no.
    fn accept(&self, remote: EndpointId) -> BoxFuture<'_, bool>;
}

/// Reaches peers in another way than by an address that is known here.
pub trait Dial: Send + Sync + 'static {
    /// A connection to `id` with our ALPN. `addresses` are those known here; none is the usual case.
    fn dial(
        &self,
        id: EndpointId,
        addresses: Vec<SocketAddr>,
    ) -> BoxFuture<'_, Result<Connection, Failure>>;

    /// Whether it is asked for peers with a known address too, which are dialed here otherwise.
    fn dials_all(&self) -> bool {
        false
    }
}

/// Options of a gossip instance.
#[derive(Clone)]
pub struct GossipOptions {
    /// Equal in the whole network.
    pub alpn: Bytes,
    /// Bytes of a frame's body, equal in the whole network; 512 to 1 MiB, anything else is moved to the nearer end.
    pub max_message_bytes: usize,
    /// The membership layer.
    pub membership: MembershipOptions,
    /// The broadcast layer.
    pub broadcast: BroadcastOptions,
    /// Join known peers again while there is no neighbor; with neighbors, ask absent ones now and then for theirs, so that
    /// a torn swarm becomes one again.
    pub rejoin: bool,
    /// Drop messages of peers that are no neighbors.
    pub neighbors_only: bool,
    /// Bounds.
    pub limits: Limits,
    /// Who may connect; everyone if absent.
    pub accept: Option<Arc<dyn Accept>>,
    /// How to reach peers without a known address, which stay unreachable if absent, or all peers.
    pub dial: Option<Arc<dyn Dial>>,
}

impl Default for GossipOptions {
    fn default() -> Self {
        Self {
            alpn: Bytes::from_static(ALPN),
            max_message_bytes: 4096,
            membership: MembershipOptions::default(),
            broadcast: BroadcastOptions::default(),
            rejoin: true,
            neighbors_only: false,
            limits: Limits::default(),
            accept: None,
            dial: None,
        }
    }
}

impl std::fmt::Debug for GossipOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GossipOptions")
            .field("alpn", &self.alpn)
            .field("max_message_bytes", &self.max_message_bytes)
            .field("membership", &self.membership)
            .field("broadcast", &self.broadcast)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// HyParView, defaults of iroh-gossip 0.101 (`src/proto/hyparview.rs`) but for the neighbor request.
#[derive(Debug, Clone)]
pub struct MembershipOptions {
    /// Neighbors wanted.
    pub active_view_capacity: usize,
    /// Peers remembered.
    pub passive_view_capacity: usize,
    /// Hops of a ForwardJoin.
    pub active_random_walk_length: u16,
    /// The hop on which a ForwardJoin enters the passive view.
    pub passive_random_walk_length: u16,
    /// Hops of a Shuffle.
    pub shuffle_random_walk_length: u16,
    /// Neighbors named in a Shuffle.
    pub shuffle_active_view_count: usize,
    /// Remembered peers named in a Shuffle.
    pub shuffle_passive_view_count: usize,
    /// Time between two Shuffles.
    pub shuffle_interval: Duration,
    /// How long a candidate has to answer. The reference has 500 ms, which holds the lookup and the handshake too, so
    /// that it forgets far peers as dead.
    pub neighbor_request_timeout: Duration,
}

impl Default for MembershipOptions {
    fn default() -> Self {
        Self {
            active_view_capacity: 5,
            passive_view_capacity: 30,
            active_random_walk_length: 6,
            passive_random_walk_length: 3,
            shuffle_random_walk_length: 6,
            shuffle_active_view_count: 3,
            shuffle_passive_view_count: 4,
            shuffle_interval: Duration::from_secs(60),
            neighbor_request_timeout: Duration::from_secs(3),
        }
    }
}

/// PlumTree, defaults of iroh-gossip 0.101 (`src/proto/plumtree.rs`).
#[derive(Debug, Clone)]
pub struct BroadcastOptions {
    /// From an IHave to the first Graft.
    pub graft_timeout_1: Duration,
    /// From a Graft to the next.
    pub graft_timeout_2: Duration,
    /// How long ids are gathered for one IHave.
    pub dispatch_timeout: Duration,
    /// Hops that a lazy peer must be nearer to become eager.
    pub optimization_threshold: u16,
    /// How long contents are kept for those who missed them.
    pub message_cache_retention: Duration,
    /// Equal content within this time is delivered once.
    pub message_id_retention: Duration,
    /// Time between two sweeps of those caches.
    pub cache_evict_interval: Duration,
}

impl Default for BroadcastOptions {
    fn default() -> Self {
        Self {
            graft_timeout_1: Duration::from_millis(80),
            graft_timeout_2: Duration::from_millis(40),
            dispatch_timeout: Duration::from_millis(5),
            optimization_threshold: 7,
            message_cache_retention: Duration::from_secs(30),
            message_id_retention: Duration::from_secs(90),
            cache_evict_interval: Duration::from_secs(1),
        }
    }
}

/// Bounds of an instance.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Frames that wait for one peer.
    pub max_queued_frames: usize,
    /// Bytes that wait for one peer.
    pub max_queued_bytes: usize,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections of one peer.
    pub max_connections_per_peer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_queued_frames: 256,
            max_queued_bytes: 1024 * 1024,
            max_connections: 1024,
            max_connections_per_peer: 4,
        }
    }
}

/// The largest content of one broadcast that fits at every hop: 4055 bytes by default.
///
/// A body must be shorter than the limit. It has 2 bytes of tags, 32 of id, the content's length as a varint of at most
/// as many bytes as that of the limit, and at most 4 of scope and round.
pub fn max_content_bytes(max_message_bytes: usize) -> usize {
    max_message_bytes.saturating_sub(39 + proto::varint_len(max_message_bytes))
}

impl GossipOptions {
    /// The state machine's own form.
    pub(crate) fn topic_config(&self) -> topic::Config {
        let (m, b) = (&self.membership, &self.broadcast);
        topic::Config {
            membership: HyparviewConfig {
                active_view_capacity: m.active_view_capacity,
                passive_view_capacity: m.passive_view_capacity,
                active_random_walk_length: m.active_random_walk_length.into(),
                passive_random_walk_length: m.passive_random_walk_length.into(),
                shuffle_random_walk_length: m.shuffle_random_walk_length.into(),
                shuffle_active_view_count: m.shuffle_active_view_count,
                shuffle_passive_view_count: m.shuffle_passive_view_count,
                shuffle_interval: m.shuffle_interval,
                neighbor_request_timeout: m.neighbor_request_timeout,
            },
            broadcast: PlumtreeConfig {
                graft_timeout_1: b.graft_timeout_1,
                graft_timeout_2: b.graft_timeout_2,
                dispatch_timeout: b.dispatch_timeout,
                optimization_threshold: b.optimization_threshold.into(),
                message_cache_retention: b.message_cache_retention,
                message_id_retention: b.message_id_retention,
                cache_evict_interval: b.cache_evict_interval,
            },
            max_message_size: self.max_message_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::max_content_bytes;

    #[test]
    fn content_leaves_room_for_every_hop() {
        assert_eq!(max_content_bytes(4096), 4055);
        assert_eq!(max_content_bytes(512), 471);
        assert_eq!(max_content_bytes(16_384), 16_384 - 42);
    }
}
