//! What a subscriber hears.

use bytes::Bytes;
use gaiwan_base::EndpointId;

/// One event of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer is a neighbor now.
    NeighborUp(EndpointId),
    /// A peer is a neighbor no more.
    NeighborDown(EndpointId, DownReason),
    /// A message.
    Received {
        /// What was broadcast.
        content: Bytes,
        /// The last hop, not the author.
        from: EndpointId,
        /// How it travelled.
        scope: Scope,
    },
    /// So many messages were dropped here because nobody read them.
    Lagged(u64),
}

/// Why a neighbor went, known from the input that made it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownReason {
    /// It left the topic: Disconnect with alive = false.
    Left,
    /// It stays in the topic and dropped us for another neighbor: Disconnect with alive = true.
    Evicted,
    /// We dropped it for another neighbor.
    Replaced,
    /// Its connection was lost.
    Lost,
}

/// How a message travelled. Direct from its author in round 0 or by `Neighbors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Through the swarm, with the hops it took before the last.
    Swarm(u16),
    /// One hop.
    Neighbors,
}
