//! The way out of a topic. Faces `ts/gossip/sender.ts`.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream::FuturesOrdered};
use gaiwan_base::EndpointId;
use gaiwan_endpoint::Failure;
use gaiwan_gossip::TopicSender;
use napi_derive::napi;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::piece::{Piece, topic_closed};
use crate::{
    bridge::NativeBridge,
    core::{Core, panicked},
    error::to_js,
    queue::{Aux, Event},
    table::Object,
};

/// Messages that wait for their turn in the topic at once. JavaScript has a promise for each that waits before these.
const AT_ONCE: usize = 64;
/// The parameter of a message for direct neighbors only.
const NEIGHBORS: u32 = 1;

/// What goes out.
enum Outgoing {
    /// A message, and the call that tells how many neighbors it was queued for.
    Message { call: u32, neighbors: bool, content: Bytes },
    /// More bootstrap peers.
    Join { call: u32, peers: Vec<EndpointId> },
    /// This half is done, once all before it is.
    Close { call: u32 },
}

/// The sending half of a topic: a queue into the task that feeds the topic. Dropped, it is closed when what it had is out.
pub struct Sender(UnboundedSender<Outgoing>);

impl Sender {
    /// Inside the runtime only.
    pub(super) fn new(core: &Arc<Core>, sender: TopicSender) -> Self {
        let (queue, outgoing) = mpsc::unbounded_channel();
        tokio::spawn(feed(core.clone(), sender, outgoing));
        Self(queue)
    }

    /// Queues a message; `None` if the topic is gone.
    pub fn broadcast(&self, call: u32, scope: u32, content: Bytes) -> Option<()> {
        self.send(Outgoing::Message { call, neighbors: scope == NEIGHBORS, content })
    }

    fn send(&self, outgoing: Outgoing) -> Option<()> {
        self.0.send(outgoing).ok()
    }
}

#[napi]
impl NativeBridge {
    /// OK once the topic knows the peers, 32 bytes each.
    #[napi]
    pub fn gossip_join(&self, call: u32, sender: u32, peers: &[u8]) -> napi::Result<()> {
        let peers = super::room::ids(peers).map_err(to_js)?;
        let table = self.table();
        let sent = match table.gossip(sender) {
            Some(Piece::Sender(sender)) => sender.send(Outgoing::Join { call, peers }),
            _ => None,
        };
        sent.ok_or_else(|| to_js(topic_closed()))
    }

    /// Uses the handle up. OK once all before it is out and, if that was the last half, the farewell is sent.
    #[napi]
    pub fn gossip_close_sender(&self, call: u32, sender: u32) -> napi::Result<()> {
        let object = self.table_mut().remove(sender);
        let sent = match object {
            Some(Object::Gossip(Piece::Sender(sender))) => sender.send(Outgoing::Close { call }),
            _ => None,
        };
        if sent.is_none() {
            self.core()?.push(Event::done(call));
        }
        Ok(())
    }
}

/// Feeds one topic, several messages at once, in order.
async fn feed(core: Arc<Core>, sender: TopicSender, mut outgoing: UnboundedReceiver<Outgoing>) {
    let mut flying = FuturesOrdered::new();
    loop {
        tokio::select! {
            biased;
            Some(event) = flying.next(), if !flying.is_empty() => {
                core.push_in(event, !flying.is_empty());
                if flying.is_empty() {
                    core.look();
                }
            }
            next = outgoing.recv(), if flying.len() < AT_ONCE => match next {
                Some(Outgoing::Message { call, neighbors, content }) => {
                    flying.push_back(guarded(call, message(sender.clone(), neighbors, content)).boxed());
                }
                Some(Outgoing::Join { call, peers }) => {
                    let sender = sender.clone();
                    let join = async move { sender.join(&peers).await.map(|()| 0) };
                    flying.push_back(guarded(call, join).boxed());
                }
                Some(Outgoing::Close { call }) => {
                    while let Some(event) = flying.next().await {
                        core.push_in(event, true);
                    }
                    let close = async { sender.close().await; Ok(0) };
                    core.push(guarded(call, close).await);
                    return;
                }
                None if flying.is_empty() => return,
                None => {
                    while let Some(event) = flying.next().await {
                        core.push(event);
                    }
                    return;
                }
            },
        }
    }
}

async fn message(sender: TopicSender, neighbors: bool, content: Bytes) -> Result<usize, Failure> {
    if neighbors {
        sender.broadcast_neighbors(content).await
    } else {
        sender.broadcast(content).await
    }
}

/// A panic fails one call only.
async fn guarded(call: u32, work: impl Future<Output = Result<usize, Failure>>) -> Event {
    let done = std::panic::AssertUnwindSafe(work).catch_unwind().await;
    match done.unwrap_or_else(|_| Err(panicked())) {
        Ok(count) => {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            Event::ok(call, Aux::Value(count), Bytes::new())
        }
        Err(failure) => Event::error(call, &failure),
    }
}
