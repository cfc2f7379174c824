//! What is kept about one peer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gaiwan_base::EndpointId;
use tokio::time::Instant;

use super::{link::Link, queue::Queue};
use crate::proto::TopicId;

/// How long a topic holds a peer after the last frame between them.
const HOLD: Duration = Duration::from_secs(30);

/// A peer that we have to do with.
pub(crate) struct Peer {
    pub(crate) id: EndpointId,
    /// Live connections in the order we learned of them: the last is the one we send on.
    pub(crate) links: Vec<Arc<Link>>,
    /// Owned by the dial alone, never inferred from a queue.
    pub(crate) is_dialing: bool,
    pub(crate) queue: Queue,
    pub(crate) holds: HashMap<TopicId, Hold>,
    /// Since when frames are dropped or at their limit, and none was taken.
    pub(crate) full_since: Option<Instant>,
    /// Since when half of its queue is full, later when it last took frames.
    pub(crate) behind: Option<Instant>,
}

/// A topic that needs the peer.
pub(crate) struct Hold {
    is_neighbor: bool,
    until: Instant,
}

impl Peer {
    pub(crate) fn new(id: EndpointId) -> Self {
        Self {
            id,
            links: Vec::new(),
            is_dialing: false,
            queue: Queue::default(),
            holds: HashMap::new(),
            full_since: None,
            behind: None,
        }
    }

    /// A frame went between the topic and the peer.
    pub(crate) fn hold(&mut self, topic: TopicId, now: Instant) {
        let until = now + HOLD;
        self.holds.entry(topic).or_insert(Hold { is_neighbor: false, until }).until = until;
    }

    pub(crate) fn set_neighbor(&mut self, topic: TopicId, is_neighbor: bool, now: Instant) {
        self.hold(topic, now);
        if let Some(hold) = self.holds.get_mut(&topic) {
            hold.is_neighbor = is_neighbor;
        }
    }

    /// Lets go of topics whose time is over, and finishes their streams.
    pub(crate) fn expire(&mut self, now: Instant) {
        let queue = &mut self.queue;
        self.holds.retain(|topic, hold| {
            let stays = hold.is_neighbor || hold.until > now;
            if !stays {
                queue.finish(topic, None);
            }
            stays
        });
    }

    /// The connection that frames go out on.
    pub(crate) fn send_link(&self) -> Option<&Arc<Link>> {
        self.links.iter().rev().find(|link| !link.is_closed())
    }

    /// Whether there is nothing left to remember.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.links.is_empty()
            && !self.is_dialing
            && self.holds.is_empty()
            && !self.queue.has_frames()
    }
}
