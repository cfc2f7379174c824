//! The topics of an instance.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use gaiwan_base::{EndpointId, ErrorCode};
use gaiwan_endpoint::Failure;
use tokio::sync::{mpsc, oneshot};

use super::{
    actor::{self, Actor},
    command::Command,
    handle::{Subscription, TopicReceiver, TopicSender},
    inbox::{Inbox, Item},
    ring::Ring,
    shared::Shared,
};
use crate::{
    lock,
    net::Net,
    options::max_content_bytes,
    proto::{PeerId, TopicId},
};

/// Topics by id. A topic is here from its first subscription until it begins to leave.
#[derive(Default)]
pub(crate) struct Topics {
    inner: Mutex<Inner>,
    ids: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Inner {
    topics: HashMap<TopicId, Entry>,
    is_closed: bool,
}

struct Entry {
    generation: u64,
    commands: mpsc::UnboundedSender<Command>,
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
}

impl Topics {
    /// Adds a subscription, and the topic if it is new.
    pub(crate) fn subscribe(
        &self,
        net: &Arc<Net>,
        topic: TopicId,
        bootstrap: &[EndpointId],
        capacity: usize,
    ) -> Result<(TopicSender, TopicReceiver), Failure> {
        let id = self.ids.fetch_add(1, Relaxed);
        let ring = Arc::new(Ring::new(capacity, net.metrics.clone()));
        let mut command =
            Command::Subscribe { id, ring: ring.clone(), bootstrap: bootstrap.to_vec() };
        // Sent under the lock: a task that wants to leave looks under it whether somebody came.
        let mut inner = lock(&self.inner);
        if inner.is_closed {
            return Err(closed());
        }
        if let Some(entry) = inner.topics.get(&topic) {
            match entry.commands.send(command) {
                Ok(()) => {
                    let (commands, shared) = (entry.commands.clone(), entry.shared.clone());
                    return Ok(halves(net, Subscription { id, topic, commands, ring, shared }));
                }
                // Its task panicked and is about to say so.
                Err(refused) => command = refused.0,
            }
        }
        let (commands, receiver) = mpsc::unbounded_channel();
        let (inbox, shared) = (Arc::new(Inbox::default()), Arc::new(Shared::new()));
        // The channel is open: its other end is here.
        let _ = commands.send(command);
        let entry = Entry {
            generation: id,
            commands: commands.clone(),
            inbox: inbox.clone(),
            shared: shared.clone(),
        };
        inner.topics.insert(topic, entry);
        drop(inner);
        let actor = Actor::new(net.clone(), topic, id, receiver, inbox, shared.clone());
        tokio::spawn(actor::run(actor));
        Ok(halves(net, Subscription { id, topic, commands, ring, shared }))
    }

    /// The inbox of a topic that is joined here.
    pub(crate) fn inbox(&self, topic: &TopicId) -> Option<Arc<Inbox>> {
        lock(&self.inner).topics.get(topic).map(|entry| entry.inbox.clone())
    }

    /// Tells every topic that a peer is gone, also those where it is no neighbor; `failure` says which wanted to hear why.
    pub(crate) fn lost(&self, peer: PeerId, failure: impl Fn(&TopicId) -> Option<Failure>) {
        for (topic, entry) in &lock(&self.inner).topics {
            entry.inbox.push(peer, Item::Lost(failure(topic)));
        }
    }

    /// Tells every topic that our own peer data changed.
    pub(crate) fn our_data_changed(&self) {
        lock(&self.inner).topics.values().for_each(|entry| entry.inbox.our_data_changed());
    }

    /// For a task that leaves or ends; what is done under the guard is done before anyone can join anew.
    pub(crate) fn guard(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// No topic can be joined any more; each that there is answers when it was left.
    pub(crate) fn shutdown(&self) -> Vec<oneshot::Receiver<()>> {
        let mut inner = lock(&self.inner);
        inner.is_closed = true;
        let tell = |entry: &Entry| {
            let (done, wait) = oneshot::channel();
            entry.commands.send(Command::Shutdown { done }).ok().map(|()| wait)
        };
        inner.topics.values().filter_map(tell).collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.inner).is_closed
    }

    #[cfg(test)]
    pub(crate) fn panic(&self, topic: &TopicId) {
        let _ = lock(&self.inner).topics[topic].commands.send(Command::Panic);
    }
}

impl Inner {
    /// Takes a topic out, unless another task has its place by now.
    pub(crate) fn remove(&mut self, topic: &TopicId, generation: u64) {
        if self.topics.get(topic).is_some_and(|entry| entry.generation == generation) {
            self.topics.remove(topic);
        }
    }
}

/// What calls report after `shutdown`.
pub(crate) fn closed() -> Failure {
    Failure::new(ErrorCode::GossipClosed, "this gossip instance was shut down")
}

fn halves(net: &Net, subscription: Subscription) -> (TopicSender, TopicReceiver) {
    let subscription = Arc::new(subscription);
    let limit = max_content_bytes(net.options.max_message_bytes);
    (TopicSender::new(subscription.clone(), limit), TopicReceiver::new(subscription))
}
