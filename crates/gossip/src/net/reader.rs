//! The reader of one stream: header, frames, checks, and on to the topic.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use quinn::RecvStream;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, timeout},
};

use super::{
    Net,
    link::{BYTES, Link},
};
use crate::{
    event::Scope,
    lock,
    metrics::count,
    proto::{
        TopicId,
        frame::{FrameReader, Next},
        message::Parsed,
    },
    topic::{Inbound, Inbox, Item, Kind},
};

/// How long a stream may be silent about its topic.
const HEADER: Duration = Duration::from_secs(10);
/// Bodies that are no message until the connection is closed.
const UNDECODABLE: u32 = 8;
/// Bytes on topics that are not joined here, until the connection is closed if no topic needs it.
const DISCARD: usize = 256 * 1024;

/// Reads a stream to its end. It is never dropped before that while the connection lives.
pub(super) async fn run(
    net: Arc<Net>,
    link: Arc<Link>,
    recv: RecvStream,
    permit: OwnedSemaphorePermit,
) {
    let mut frames = FrameReader::new(recv, net.options.max_message_bytes);
    let topic = match timeout(HEADER, frames.next()).await {
        Ok(Ok(Next::Body(body))) => match body.first_chunk() {
            Some(topic) => TopicId(*topic),
            None => return refuse(&net, &link),
        },
        Ok(Ok(Next::End | Next::Cut) | Err(_)) => return,
        Ok(Ok(Next::Skipped | Next::TooLong)) => return refuse(&net, &link),
        Err(_) => return link.fail(),
    };
    drop(permit);
    let mut reader = Reader { net, link, topic, inbox: None };
    loop {
        match frames.next().await {
            Ok(Next::Body(body)) => {
                if !reader.take(body).await {
                    return reader.link.fail();
                }
            }
            Ok(Next::Skipped) => {
                reader.link.note_heard();
                count(&reader.net.metrics.frames_oversized);
            }
            Ok(Next::TooLong) => {
                count(&reader.net.metrics.frames_oversized);
                return reader.link.fail();
            }
            Ok(Next::Cut) => return count(&reader.net.metrics.frames_undecodable),
            Ok(Next::End) | Err(_) => return,
        }
    }
}

/// A stream without a usable header ends the connection, for nothing on it would be understood.
fn refuse(net: &Net, link: &Link) {
    count(&net.metrics.frames_undecodable);
    link.fail();
}

struct Reader {
    net: Arc<Net>,
    link: Arc<Link>,
    topic: TopicId,
    inbox: Option<Arc<Inbox>>,
}

impl Reader {
    /// Takes one body; `false` ends the connection.
    async fn take(&mut self, body: Bytes) -> bool {
        self.link.note_heard();
        if self.inbox.is_none() {
            self.inbox = self.net.topics.inbox(&self.topic);
        }
        if self.inbox.is_none() {
            return self.discard(body.len());
        }
        let Ok(parsed) = Parsed::decode(&body) else { return self.undecodable() };
        self.net.metrics.received(parsed.is_data(), body.len());
        let Some(parsed) = parsed.keep(&self.net.rules) else {
            count(&self.net.metrics.frames_undecodable);
            return true;
        };
        let Some(parsed) = self.limit(parsed).await else { return true };
        let Ok(message) = parsed.message(&body) else { return self.undecodable() };
        let kind = match parsed {
            Parsed::Gossip { scope: Some(round), .. } => Kind::Data(Scope::Swarm(round)),
            Parsed::Gossip { scope: None, .. } => Kind::Data(Scope::Neighbors),
            Parsed::Disconnect { is_alive } => Kind::Disconnect { is_alive },
            _ => Kind::Control,
        };
        // More than the topics can hear stays in the stream, and QUIC holds the sender.
        let bytes = u32::try_from(body.len().min(BYTES)).unwrap_or(u32::MAX);
        let frames = self.link.frames.clone().acquire_owned().await;
        let bytes = self.link.bytes.clone().acquire_many_owned(bytes).await;
        let (Ok(frames), Ok(bytes)) = (frames, bytes) else { return false };
        self.net.note_heard(&self.topic, &self.link.peer);
        let inbound = Inbound { from: self.link.remote, message, kind, _permits: [frames, bytes] };
        let is_taken =
            |inbox: &Arc<Inbox>| inbox.push(self.link.peer, Item::Message(Box::new(inbound)));
        if !self.inbox.as_ref().is_some_and(is_taken) {
            // The topic was left; it may be joined again by the next frame.
            self.inbox = None;
        }
        true
    }

    /// The rates of section 11: ids that are too many are cut off, Joins that are too quick wait or are dropped.
    async fn limit(&self, mut parsed: Parsed) -> Option<Parsed> {
        let now = Instant::now();
        match &mut parsed {
            Parsed::IHave(ids) => {
                let allowed = lock(&self.link.guard).ids(ids.len(), now);
                let refused = ids.len() - allowed;
                self.net.metrics.ids_rate_limited.fetch_add(refused as u64, Relaxed);
                ids.truncate(allowed);
                if ids.is_empty() {
                    return None;
                }
            }
            Parsed::Join(_) => {
                let wait = lock(&self.link.guard).join(self.topic, now)?;
                if !wait.is_zero() {
                    sleep(wait).await;
                }
            }
            _ => {}
        }
        Some(parsed)
    }

    fn undecodable(&self) -> bool {
        count(&self.net.metrics.frames_undecodable);
        self.link.undecodable.fetch_add(1, Relaxed) + 1 < UNDECODABLE
    }

    fn discard(&self, bytes: usize) -> bool {
        let discarded = self.link.discarded.fetch_add(bytes, Relaxed) + bytes;
        if discarded <= DISCARD {
            return true;
        }
        self.link.discarded.store(0, Relaxed);
        self.net.is_held(&self.link.peer)
    }
}
