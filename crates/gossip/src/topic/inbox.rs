//! What waits for a topic's task, one queue a peer, served in turn.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
};

use gaiwan_base::EndpointId;
use gaiwan_endpoint::Failure;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::{
    event::Scope,
    lock,
    proto::{PeerId, message::Message},
};

/// A message that passed all checks.
pub(crate) struct Inbound {
    /// Who sent it.
    pub(crate) from: EndpointId,
    /// What it says.
    pub(crate) message: Message,
    /// What the topic's task wants to know of it, and the state machine's types do not show.
    pub(crate) kind: Kind,
    /// Its share of what its connection may have in flight, given back when it was heard.
    pub(crate) _permits: [OwnedSemaphorePermit; 2],
}

/// Kinds of messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Content.
    Data(Scope),
    /// The sender goes; alive, it stays in the topic.
    Disconnect { is_alive: bool },
    /// Anything else.
    Control,
}

/// Something about a peer.
pub(crate) enum Item {
    /// A message of it.
    Message(Box<Inbound>),
    /// There is no connection to it any more, or none could be made.
    Lost(Option<Failure>),
}

/// The queues of a topic. Bounded by the permits of the connections, and by one `Lost` in a row for each peer.
#[derive(Default)]
pub(crate) struct Inbox {
    inner: Mutex<Inner>,
    notify: Notify,
}

#[derive(Default)]
struct Inner {
    queues: HashMap<PeerId, VecDeque<Item>>,
    /// Peers with something in their queue, whose turn is next first.
    turns: VecDeque<PeerId>,
    our_data_changed: bool,
    is_closed: bool,
}

impl Inbox {
    /// Adds an item; `false` if the topic is gone.
    pub(crate) fn push(&self, peer: PeerId, item: Item) -> bool {
        let mut inner = lock(&self.inner);
        if inner.is_closed {
            return false;
        }
        let queue = inner.queues.entry(peer).or_default();
        match (&item, queue.back_mut()) {
            (Item::Lost(_), Some(last @ Item::Lost(_))) => {
                *last = item;
                return true;
            }
            _ => queue.push_back(item),
        }
        if queue.len() == 1 {
            inner.turns.push_back(peer);
        }
        drop(inner);
        self.notify.notify_one();
        true
    }

    /// Our own peer data changed.
    pub(crate) fn our_data_changed(&self) {
        lock(&self.inner).our_data_changed = true;
        self.notify.notify_one();
    }

    /// Whether that happened since the last call.
    pub(crate) fn take_our_data_changed(&self) -> bool {
        std::mem::take(&mut lock(&self.inner).our_data_changed)
    }

    /// The item of whose turn it is.
    pub(crate) fn pop(&self) -> Option<(PeerId, Item)> {
        let mut inner = lock(&self.inner);
        let peer = inner.turns.pop_front()?;
        let queue = inner.queues.get_mut(&peer)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            inner.queues.remove(&peer);
        } else {
            inner.turns.push_back(peer);
        }
        item.map(|item| (peer, item))
    }

    /// Waits until there is something.
    pub(crate) async fn ready(&self) {
        loop {
            {
                let inner = lock(&self.inner);
                if !inner.turns.is_empty() || inner.our_data_changed {
                    return;
                }
            }
            // There is one reader, so a stored permit is enough.
            self.notify.notified().await;
        }
    }

    /// Takes nothing more and lets go of what waits.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        *inner = Inner { is_closed: true, ..Inner::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_take_turns_and_a_loss_is_told_once() {
        let inbox = Inbox::default();
        let peers = [PeerId([1; 32]), PeerId([2; 32])];
        for _ in 0..3 {
            assert!(inbox.push(peers[0], Item::Lost(None)));
        }
        assert!(inbox.push(peers[1], Item::Lost(None)));
        let order: Vec<_> = std::iter::from_fn(|| inbox.pop()).map(|(peer, _)| peer).collect();
        assert_eq!(order, peers);
        inbox.close();
        assert!(!inbox.push(peers[0], Item::Lost(None)));
    }
}
