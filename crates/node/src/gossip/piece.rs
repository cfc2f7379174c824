//! What a handle of this room can stand for.

use std::sync::Arc;

use gaiwan_endpoint::{Connection, Failure};
use gaiwan_gossip::{Gossip, TopicReceiver};
use tokio::sync::oneshot;

use super::sender::Sender;
use crate::{
    bridge::NativeBridge,
    error::{stale, to_js},
    table::Object,
};

/// A native object of `ts/gossip`. Dropping any says all there is to say.
pub enum Piece {
    /// An instance.
    Gossip(Gossip),
    /// The sending half of a topic.
    Sender(Sender),
    /// The receiving half of a topic.
    Receiver(Arc<TopicReceiver>),
    /// A yes or no that a connection waits for.
    Answer(oneshot::Sender<bool>),
    /// A connection that a dial waits for.
    Dialed(oneshot::Sender<Result<Connection, Failure>>),
}

impl Piece {
    pub(super) fn object(self) -> Object {
        Object::Gossip(self)
    }
}

impl NativeBridge {
    /// The instance of a handle.
    pub(crate) fn gossip_of(&self, handle: u32) -> napi::Result<Gossip> {
        match self.table().gossip(handle) {
            Some(Piece::Gossip(gossip)) => Ok(gossip.clone()),
            _ => Err(stale("gossip")),
        }
    }

    /// The receiving half of a handle.
    pub(super) fn receiver_of(&self, handle: u32) -> napi::Result<Arc<TopicReceiver>> {
        match self.table().gossip(handle) {
            Some(Piece::Receiver(receiver)) => Ok(receiver.clone()),
            _ => Err(to_js(topic_closed())),
        }
    }
}

/// What a call after the close of its half gets.
pub fn topic_closed() -> Failure {
    Failure::new(gaiwan_base::ErrorCode::TopicClosed, "the topic was closed")
}
