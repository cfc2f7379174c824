//! The two halves of a subscription.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use bytes::Bytes;
use gaiwan_base::{EndpointId, ErrorCode};
use gaiwan_endpoint::Failure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc::UnboundedSender, oneshot};

use super::{
    command::{Broadcast, Command, Half, Reach},
    ring::{End, Ring, panicked},
    shared::Shared,
};
use crate::{event::Event, proto::TopicId};

/// Commands of one subscription that may wait for the topic's task.
const COMMANDS: usize = 64;

/// What both halves know.
pub(crate) struct Subscription {
    pub(crate) id: u64,
    pub(crate) topic: TopicId,
    pub(crate) commands: UnboundedSender<Command>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) shared: Arc<Shared>,
}

impl Subscription {
    /// Why a call can't be served: the subscription is closed, or its task is gone.
    fn gone(&self) -> Failure {
        match self.ring.ended() {
            Some(End::Panicked) => panicked(),
            _ => Failure::new(ErrorCode::TopicClosed, "the topic was left"),
        }
    }

    async fn close(&self, half: Half) {
        let (done, wait) = oneshot::channel();
        if self.commands.send(Command::Close { id: self.id, half, done: Some(done) }).is_ok() {
            // An error says that the task is gone, and then there is nothing to wait for.
            let _ = wait.await;
        }
    }

    fn drop_half(&self, half: Half) {
        let _ = self.commands.send(Command::Close { id: self.id, half, done: None });
    }
}

/// The speaking half of a subscription. Clones are handles of one half; `close` closes it for all.
#[derive(Clone)]
pub struct TopicSender(Arc<SenderInner>);

struct SenderInner {
    subscription: Arc<Subscription>,
    max_content_bytes: usize,
    slots: Arc<Semaphore>,
    is_closed: AtomicBool,
}

impl Drop for SenderInner {
    fn drop(&mut self) {
        if !self.is_closed.load(Relaxed) {
            self.subscription.drop_half(Half::Sender);
        }
    }
}

impl TopicSender {
    pub(crate) fn new(subscription: Arc<Subscription>, max_content_bytes: usize) -> Self {
        let slots = Arc::new(Semaphore::new(COMMANDS));
        Self(Arc::new(SenderInner {
            subscription,
            max_content_bytes,
            slots,
            is_closed: AtomicBool::new(false),
        }))
    }

    /// The topic.
    pub fn topic(&self) -> TopicId {
        self.0.subscription.topic
    }

    /// Broadcasts to the swarm. Gives, once it is queued, the number of neighbors; with none nobody hears it, ever.
    /// Equal content within 90 s is delivered once.
    ///
    /// Waits while a neighbor is behind and catching up; of one that takes nothing for long (100 ms, and 3 s as long as it
    /// has not used them up) the oldest of what waits for it is dropped. A call that is dropped may still be heard.
    ///
    /// Fails with `MESSAGE_TOO_LARGE` above [`crate::max_content_bytes`], with `TOPIC_CLOSED` and with `INTERNAL`.
    pub async fn broadcast(&self, content: Bytes) -> Result<usize, Failure> {
        self.send(content, Reach::Swarm).await
    }

    /// Broadcasts to every direct neighbor and no further. Fails as [`TopicSender::broadcast`].
    pub async fn broadcast_neighbors(&self, content: Bytes) -> Result<usize, Failure> {
        self.send(content, Reach::Neighbors).await
    }

    async fn send(&self, content: Bytes, reach: Reach) -> Result<usize, Failure> {
        let limit = self.0.max_content_bytes;
        if content.len() > limit {
            let text =
                format!("{} bytes are more than the {limit} of one broadcast", content.len());
            return Err(Failure::new(ErrorCode::MessageTooLarge, text));
        }
        self.ask(|reply, slot| Command::Broadcast(Broadcast { content, reach, reply, slot })).await
    }

    /// Asks more peers to let us join. Returns once that is queued. Fails with `TOPIC_CLOSED` and with `INTERNAL`.
    pub async fn join(&self, peers: &[EndpointId]) -> Result<(), Failure> {
        let peers = peers.to_vec();
        self.ask(|reply, _slot| Command::Join { peers, reply }).await
    }

    /// Puts a command into the queue when there is room, and waits for its answer.
    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>, OwnedSemaphorePermit) -> Command,
    ) -> Result<T, Failure> {
        let subscription = &self.0.subscription;
        let slots = self.0.slots.clone();
        let slot = slots.acquire_owned().await.map_err(|_| subscription.gone())?;
        if self.0.is_closed.load(Relaxed) || subscription.ring.ended() == Some(End::Panicked) {
            return Err(subscription.gone());
        }
        let (reply, answer) = oneshot::channel();
        subscription.commands.send(command(reply, slot)).map_err(|_| subscription.gone())?;
        answer.await.map_err(|_| subscription.gone())
    }

    /// Closes this half. If it is the last of the topic, returns when the neighbors were told, at most after 5 s.
    pub async fn close(&self) {
        if !self.0.is_closed.swap(true, Relaxed) {
            self.0.subscription.close(Half::Sender).await;
        }
    }
}

/// The listening half of a subscription.
pub struct TopicReceiver {
    subscription: Arc<Subscription>,
    is_closed: AtomicBool,
}

impl Drop for TopicReceiver {
    fn drop(&mut self) {
        if !self.is_closed.load(Relaxed) {
            self.subscription.drop_half(Half::Receiver);
        }
    }
}

impl TopicReceiver {
    pub(crate) fn new(subscription: Arc<Subscription>) -> Self {
        Self { subscription, is_closed: AtomicBool::new(false) }
    }

    /// The topic.
    pub fn topic(&self) -> TopicId {
        self.subscription.topic
    }

    /// The oldest events: at least one, then as many as fit `max_events` and `max_bytes` of content. None once the
    /// topic is closed. Fails with `INTERNAL` if the topic's task panicked.
    pub async fn next(&self, max_events: usize, max_bytes: usize) -> Result<Vec<Event>, Failure> {
        self.subscription.ring.next(max_events, max_bytes).await
    }

    /// Whether there is a neighbor right now.
    pub fn is_joined(&self) -> bool {
        self.subscription.ring.ended().is_none() && self.subscription.shared.is_joined()
    }

    /// Waits until there is a neighbor. Fails with `TOPIC_CLOSED`, and with `INTERNAL` if the topic's task panicked.
    pub async fn joined(&self) -> Result<(), Failure> {
        let subscription = &self.subscription;
        let mut changes = subscription.shared.changes();
        loop {
            changes.borrow_and_update();
            if subscription.ring.ended().is_some() {
                return Err(subscription.gone());
            }
            if subscription.shared.is_joined() {
                return Ok(());
            }
            changes.changed().await.map_err(|_| subscription.gone())?;
        }
    }

    /// The neighbors, oldest first.
    pub fn neighbors(&self) -> Vec<EndpointId> {
        self.subscription.shared.neighbors()
    }

    /// Peers of this topic that could not be reached, with the last failure of each.
    pub fn failed_dials(&self) -> Vec<(EndpointId, Failure)> {
        self.subscription.shared.failed_dials()
    }

    /// Closes this half: no event comes any more. Waits as [`TopicSender::close`].
    pub async fn close(&self) {
        if !self.is_closed.swap(true, Relaxed) {
            self.subscription.ring.discard();
            self.subscription.shared.touch();
            self.subscription.close(Half::Receiver).await;
        }
    }
}
