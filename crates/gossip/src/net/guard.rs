//! Rates that one peer must keep, over all its connections.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::proto::TopicId;

/// Announced ids a second, and at once.
const IDS: Bucket = Bucket { rate: 500.0, burst: 2000.0 };
/// Between two Joins of one topic.
const JOIN: Duration = Duration::from_secs(1);
/// Seconds that our own messages wait for a peer that is behind and takes nothing, beyond the usual: 3 s at once, as a
/// busy machine may need, and of each second 50 ms.
const WAITS: Bucket = Bucket { rate: 0.05, burst: 3.0 };
/// Topics whose last Join is remembered.
const TOPICS: usize = 1024;

/// Fills at a rate up to a burst.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) rate: f64,
    pub(crate) burst: f64,
}

/// What is in a bucket.
#[derive(Debug)]
pub(crate) struct Level {
    bucket: Bucket,
    level: f64,
    at: Instant,
}

impl Level {
    pub(crate) fn full(bucket: Bucket, now: Instant) -> Self {
        Self { bucket, level: bucket.burst, at: now }
    }

    fn fill(&mut self, now: Instant) {
        self.level = self.at(now);
        self.at = now;
    }

    /// What there is.
    fn at(&self, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.bucket.rate;
        (self.level + gained).min(self.bucket.burst)
    }

    /// Takes as much of `wanted` as there is.
    fn take(&mut self, wanted: usize, now: Instant) -> usize {
        self.fill(now);
        let taken = wanted.min(self.level as usize);
        self.level -= taken as f64;
        taken
    }

    /// Takes one, now or from the future: how long to wait for it. `None`, and nothing taken, if that is longer than
    /// `patience`.
    pub(crate) fn reserve(&mut self, now: Instant, patience: Duration) -> Option<Duration> {
        self.fill(now);
        let missing = (1.0 - self.level).max(0.0);
        let wait = Duration::from_secs_f64(missing / self.bucket.rate);
        (wait <= patience).then(|| {
            self.level -= 1.0;
            wait
        })
    }
}

/// The Joins of one topic.
#[derive(Debug)]
struct Joins {
    next: Instant,
    /// The last one came too early and had to wait.
    is_late: bool,
}

/// One peer's account.
#[derive(Debug)]
pub(crate) struct Guard {
    ids: Level,
    joins: HashMap<TopicId, Joins>,
    waits: Level,
    used: Instant,
}

impl Guard {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            ids: Level::full(IDS, now),
            joins: HashMap::new(),
            waits: Level::full(WAITS, now),
            used: now,
        }
    }

    /// How many of `wanted` announced ids may be heard.
    pub(crate) fn ids(&mut self, wanted: usize, now: Instant) -> usize {
        self.used = now;
        self.ids.take(wanted, now)
    }

    /// When a Join may be heard. One that comes within a second of the last waits, so that an honest leave and rejoin is
    /// late and not lost; `None` for those that come even then, which is a storm.
    pub(crate) fn join(&mut self, topic: TopicId, now: Instant) -> Option<Duration> {
        self.used = now;
        if self.joins.len() >= TOPICS {
            self.joins.retain(|_, joins| joins.next > now);
            if self.joins.len() >= TOPICS {
                return None;
            }
        }
        let joins = self.joins.entry(topic).or_insert(Joins { next: now, is_late: false });
        let wait = joins.next.saturating_duration_since(now);
        if joins.is_late && !wait.is_zero() {
            return None;
        }
        joins.is_late = !wait.is_zero();
        joins.next = now + wait + JOIN;
        Some(wait)
    }

    /// How long our own messages may still wait for the peer.
    pub(crate) fn patience(&self, now: Instant) -> Duration {
        Duration::from_secs_f64(self.waits.at(now))
    }

    /// They waited so long, up to now.
    pub(crate) fn waited(&mut self, time: Duration, now: Instant) {
        self.waits.fill(now);
        self.waits.level = (self.waits.level - time.as_secs_f64()).max(0.0);
    }

    /// Whether forgetting it would forgive nothing.
    pub(crate) fn is_clean(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) > Duration::from_secs(10)
            && self.waits.at(now) >= WAITS.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_heard_at_their_rate_after_a_burst() {
        let now = Instant::now();
        let mut guard = Guard::new(now);
        assert_eq!(guard.ids(5000, now), 2000);
        assert_eq!(guard.ids(5000, now), 0);
        assert_eq!(guard.ids(5000, now + Duration::from_secs(1)), 500);
    }

    #[test]
    fn joins_of_one_topic_are_a_second_apart() {
        let now = Instant::now();
        let mut guard = Guard::new(now);
        let waits: Vec<_> = (0..3).map(|_| guard.join(TopicId([1; 32]), now)).collect();
        assert_eq!(waits, [Some(Duration::ZERO), Some(JOIN), None]);
        assert_eq!(guard.join(TopicId([1; 32]), now + JOIN), None, "the late one was heard now");
        assert_eq!(guard.join(TopicId([2; 32]), now), Some(Duration::ZERO));
        assert_eq!(guard.join(TopicId([1; 32]), now + JOIN * 2), Some(Duration::ZERO));
    }

    #[test]
    fn a_peer_is_waited_for_three_seconds_and_then_a_twentieth_of_the_time() {
        let now = Instant::now();
        let mut guard = Guard::new(now);
        assert_eq!(guard.patience(now), Duration::from_secs(3));
        guard.waited(Duration::from_secs(2), now);
        assert_eq!(guard.patience(now), Duration::from_secs(1));
        guard.waited(Duration::from_secs(5), now);
        assert_eq!(guard.patience(now), Duration::ZERO);
        let later = now + Duration::from_secs(20);
        assert_eq!(guard.patience(later), Duration::from_secs(1));
        assert!(!guard.is_clean(later));
        assert!(guard.is_clean(now + Duration::from_secs(60)));
    }

    #[test]
    fn a_reservation_has_to_wait_once_the_burst_is_gone() {
        let now = Instant::now();
        let mut level = Level::full(Bucket { rate: 4.0, burst: 1.0 }, now);
        let patience = Duration::from_millis(600);
        let waits: Vec<_> = (0..4).map(|_| level.reserve(now, patience)).collect();
        let quarter = |n: u64| Some(Duration::from_millis(250 * n));
        assert_eq!(waits, [quarter(0), quarter(1), quarter(2), None]);
    }
}
