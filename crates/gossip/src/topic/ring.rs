//! The events of one subscription that nobody has read yet.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
};

use gaiwan_base::{EndpointId, ErrorCode};
use gaiwan_endpoint::Failure;
use tokio::sync::Notify;

use crate::{event::Event, lock, metrics::Metrics};

/// Neighbor events kept beyond the capacity, where each is the latest of its peer; more than that is an attack by
/// throw-away identities.
const EXCESS: usize = 4096;

/// How a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was closed.
    Closed,
    /// The topic's task panicked.
    Panicked,
}

/// A bounded queue: the topic's task writes, the subscriber reads.
pub(crate) struct Ring {
    inner: Mutex<Inner>,
    capacity: usize,
    notify: Notify,
    metrics: Arc<Metrics>,
}

struct Inner {
    events: VecDeque<Event>,
    /// Markers among the events; they do not count against the capacity.
    lags: usize,
    end: Option<End>,
}

impl Ring {
    pub(crate) fn new(capacity: usize, metrics: Arc<Metrics>) -> Self {
        let inner = Inner { events: VecDeque::new(), lags: 0, end: None };
        Self { inner: Mutex::new(inner), capacity: capacity.max(1), notify: Notify::new(), metrics }
    }

    /// Adds an event. When full, the oldest message goes and `Lagged` says so at the gap; neighbor events stay.
    pub(crate) fn push(&self, event: Event) {
        let mut inner = lock(&self.inner);
        if inner.end.is_some() {
            return;
        }
        inner.events.push_back(event);
        let dropped = inner.shrink(self.capacity);
        drop(inner);
        self.metrics.lagged_events.fetch_add(dropped, Relaxed);
        self.notify.notify_waiters();
    }

    /// Nothing more will come; what is there can still be read.
    pub(crate) fn end(&self, end: End) {
        lock(&self.inner).end.get_or_insert(end);
        self.notify.notify_waiters();
    }

    /// The same, and what is there is dropped.
    pub(crate) fn discard(&self) {
        let mut inner = lock(&self.inner);
        inner.events.clear();
        inner.lags = 0;
        inner.end.get_or_insert(End::Closed);
        drop(inner);
        self.notify.notify_waiters();
    }

    pub(crate) fn ended(&self) -> Option<End> {
        lock(&self.inner).end
    }

    /// The oldest events: at least one, then as many as fit both limits; none once it ended.
    pub(crate) async fn next(
        &self,
        max_events: usize,
        max_bytes: usize,
    ) -> Result<Vec<Event>, Failure> {
        loop {
            let notified = self.notify.notified();
            tokio::pin!(notified);
            // Before the look, so that nothing is missed between the look and the wait.
            notified.as_mut().enable();
            {
                let mut inner = lock(&self.inner);
                if !inner.events.is_empty() {
                    return Ok(inner.take(max_events, max_bytes));
                }
                match inner.end {
                    Some(End::Closed) => return Ok(Vec::new()),
                    Some(End::Panicked) => return Err(panicked()),
                    None => {}
                }
            }
            notified.await;
        }
    }
}

/// What calls on a topic report whose task is gone by a fault of ours.
pub(crate) fn panicked() -> Failure {
    Failure::new(ErrorCode::Internal, "the task of this topic panicked")
}

impl Inner {
    fn take(&mut self, max_events: usize, max_bytes: usize) -> Vec<Event> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while let Some(event) = self.events.front() {
            if let Event::Received { content, .. } = event {
                bytes += content.len();
            }
            if !events.is_empty() && (events.len() >= max_events || bytes > max_bytes) {
                break;
            }
            if let Some(event) = self.events.pop_front() {
                self.lags -= usize::from(matches!(event, Event::Lagged(_)));
                events.push(event);
            }
        }
        events
    }

    /// Drops until the capacity is kept; how many went.
    fn shrink(&mut self, capacity: usize) -> u64 {
        let mut dropped = 0;
        while self.events.len() - self.lags > capacity {
            if let Some(at) = self.events.iter().position(|e| matches!(e, Event::Received { .. })) {
                self.events.remove(at);
                self.mark(at);
                dropped += 1;
                continue;
            }
            let before = self.events.len();
            self.keep_latest();
            if self.events.len() == before {
                if before <= capacity + EXCESS {
                    break;
                }
                // Every entry is another peer. Those that are gone again are told by the count alone.
                let is_down = |e: &Event| matches!(e, Event::NeighborDown(..));
                let Some(at) = self.events.iter().position(is_down) else { break };
                self.events.remove(at);
                self.mark(at);
                dropped += 1;
            }
        }
        dropped
    }

    /// Counts one more event as missed at the gap `at`.
    fn mark(&mut self, at: usize) {
        for near in [at.wrapping_sub(1), at] {
            if let Some(Event::Lagged(missed)) = self.events.get_mut(near) {
                *missed += 1;
                return;
            }
        }
        self.events.insert(at, Event::Lagged(1));
        self.lags += 1;
    }

    fn keep_latest(&mut self) {
        let mut seen: HashSet<EndpointId> = HashSet::new();
        let mut kept = VecDeque::with_capacity(self.events.len());
        for event in self.events.drain(..).rev() {
            let is_news = match &event {
                Event::NeighborUp(id) | Event::NeighborDown(id, _) => seen.insert(*id),
                _ => true,
            };
            if is_news {
                kept.push_front(event);
            }
        }
        self.events = kept;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gaiwan_base::SecretKey;

    use super::*;
    use crate::event::{DownReason, Scope};

    fn id(n: u8) -> EndpointId {
        SecretKey::from_bytes(&[n; 32]).id()
    }

    fn received(n: u8) -> Event {
        Event::Received { content: Bytes::from(vec![n]), from: id(1), scope: Scope::Swarm(0) }
    }

    #[tokio::test]
    async fn the_oldest_messages_go_and_neighbor_events_stay() {
        let ring = Ring::new(4, Arc::default());
        ring.push(Event::NeighborUp(id(1)));
        ring.push(received(0));
        ring.push(Event::NeighborUp(id(2)));
        for n in 1..=5 {
            ring.push(received(n));
        }
        let events = ring.next(100, 100).await.expect("events");
        let up = |n| Event::NeighborUp(id(n));
        // Two gaps: one message before the second neighbor came, three after.
        assert_eq!(
            events,
            [up(1), Event::Lagged(1), up(2), Event::Lagged(3), received(4), received(5)]
        );
        assert_eq!(ring.metrics.lagged_events.load(Relaxed), 4);
    }

    #[tokio::test]
    async fn of_neighbor_events_alone_the_latest_of_each_peer_stays() {
        let ring = Ring::new(2, Arc::default());
        let down = |n| Event::NeighborDown(id(n), DownReason::Lost);
        for _ in 0..10 {
            for n in 1..4 {
                ring.push(Event::NeighborUp(id(n)));
                ring.push(down(n));
            }
        }
        assert_eq!(ring.next(100, 100).await.expect("events"), [down(1), down(2), down(3)]);
    }

    #[tokio::test]
    async fn a_batch_keeps_its_limits_and_has_at_least_one() {
        let ring = Ring::new(10, Arc::default());
        (0..4).for_each(|n| ring.push(received(n)));
        assert_eq!(ring.next(100, 2).await.expect("events").len(), 2);
        assert_eq!(ring.next(1, 100).await.expect("events").len(), 1);
        assert_eq!(ring.next(0, 0).await.expect("events"), [received(3)]);
        ring.end(End::Closed);
        assert_eq!(ring.next(1, 1).await.expect("the end"), []);
    }

    #[tokio::test]
    async fn what_came_before_a_panic_is_still_read() {
        let ring = Ring::new(10, Arc::default());
        ring.push(received(0));
        ring.end(End::Panicked);
        ring.push(received(1));
        assert_eq!(ring.next(9, 9).await.expect("events"), [received(0)]);
        assert_eq!(ring.next(9, 9).await.expect_err("it panicked").code, ErrorCode::Internal);
    }
}
