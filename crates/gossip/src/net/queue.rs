//! What waits for one peer: a lane of frames for each topic, bounded together.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::proto::TopicId;

/// Bytes of one write.
const BATCH: usize = 16 * 1024;
/// Frames of one write.
const FRAMES: usize = 32;

/// A frame for some peers.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// Length and body.
    pub(crate) frame: Bytes,
    /// Data can be dropped: PlumTree repairs it.
    pub(crate) is_data: bool,
    /// A Disconnect, after which its stream is finished.
    pub(crate) is_last: bool,
}

pub(crate) enum Entry {
    Frame {
        sequence: u64,
        frame: Bytes,
        is_data: bool,
    },
    /// The stream is finished here. The sender is dropped when the peer has it all.
    Finish(#[allow(dead_code, reason = "its drop is the message")] Option<mpsc::Sender<()>>),
}

/// The frames of one topic and the state of the task that writes them.
pub(crate) struct Lane {
    pub(crate) entries: VecDeque<Entry>,
    /// The task, 0 for none. A task that finds another number here is not wanted any more.
    pub(crate) task: u64,
    pub(crate) wake: Arc<Notify>,
    /// The connection that has a stream of this lane.
    pub(crate) open_on: Option<u64>,
    /// Another lane needs the credit of this one's stream.
    pub(crate) is_evicted: bool,
    pub(crate) used: Instant,
}

impl Lane {
    fn new(now: Instant) -> Self {
        Self {
            entries: VecDeque::new(),
            task: 0,
            wake: Arc::default(),
            open_on: None,
            is_evicted: false,
            used: now,
        }
    }
}

/// What `Queue::push` made of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits or was dropped, after so many data frames had to go.
    Waits { dropped: u64, is_full: bool },
    /// So much control waits that the peer is beyond help; the frame was dropped.
    Hopeless,
}

/// All lanes of a peer.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) lanes: HashMap<TopicId, Lane>,
    frames: usize,
    bytes: usize,
    sequence: u64,
}

impl Queue {
    /// Adds a frame to a topic's lane. When full, the oldest data goes, perhaps this very frame; control stays.
    pub(crate) fn push(
        &mut self,
        topic: TopicId,
        outgoing: Outgoing,
        (max_frames, max_bytes): (usize, usize),
        now: Instant,
    ) -> Pushed {
        if self.is_over(max_frames.saturating_mul(4), max_bytes.saturating_mul(4)) {
            return Pushed::Hopeless;
        }
        let Outgoing { frame, is_data, is_last } = outgoing;
        self.sequence += 1;
        self.frames += 1;
        self.bytes += frame.len();
        let lane = self.lanes.entry(topic).or_insert_with(|| Lane::new(now));
        lane.entries.push_back(Entry::Frame { sequence: self.sequence, frame, is_data });
        if is_last {
            lane.entries.push_back(Entry::Finish(None));
        }
        let mut dropped = 0;
        while self.is_over(max_frames, max_bytes) {
            if !self.drop_oldest_data() {
                break;
            }
            dropped += 1;
        }
        let is_full = dropped > 0 || self.is_over(max_frames.saturating_sub(1), max_bytes);
        Pushed::Waits { dropped, is_full }
    }

    /// Whether half of what may wait is taken.
    pub(crate) fn is_half_full(&self, (max_frames, max_bytes): (usize, usize)) -> bool {
        self.frames * 2 >= max_frames || self.bytes * 2 >= max_bytes
    }

    fn is_over(&self, max_frames: usize, max_bytes: usize) -> bool {
        self.frames > max_frames || self.bytes > max_bytes
    }

    fn drop_oldest_data(&mut self) -> bool {
        let oldest = |lane: &Lane| {
            lane.entries.iter().enumerate().find_map(|(at, entry)| match entry {
                Entry::Frame { sequence, is_data: true, .. } => Some((*sequence, at)),
                _ => None,
            })
        };
        let all = self.lanes.iter().filter_map(|(topic, lane)| {
            let (sequence, at) = oldest(lane)?;
            Some((sequence, *topic, at))
        });
        let Some((_, topic, at)) = all.min() else { return false };
        let removed = self.lanes.get_mut(&topic).and_then(|lane| lane.entries.remove(at));
        if let Some(Entry::Frame { frame, .. }) = removed {
            self.frames -= 1;
            self.bytes -= frame.len();
        }
        true
    }

    /// Marks where a topic's stream is finished; nothing to do if nothing of it was ever sent.
    pub(crate) fn finish(&mut self, topic: &TopicId, flush: Option<mpsc::Sender<()>>) {
        let Some(lane) = self.lanes.get_mut(topic) else { return };
        if lane.task == 0 && lane.entries.is_empty() {
            self.lanes.remove(topic);
        } else {
            lane.entries.push_back(Entry::Finish(flush));
            lane.wake.notify_one();
        }
    }

    /// The next frames of a lane for one write; none if a finish or nothing is next.
    pub(crate) fn take(&mut self, topic: &TopicId, now: Instant) -> Vec<Entry> {
        let mut batch = Vec::new();
        let Some(lane) = self.lanes.get_mut(topic) else { return batch };
        let mut bytes = 0;
        while let Some(Entry::Frame { frame, .. }) = lane.entries.front() {
            if !batch.is_empty() && (batch.len() == FRAMES || bytes + frame.len() > BATCH) {
                break;
            }
            bytes += frame.len();
            batch.extend(lane.entries.pop_front());
        }
        lane.used = now;
        self.frames -= batch.len();
        self.bytes -= bytes;
        batch
    }

    /// Puts frames back whose stream broke; those of a lane that is gone are gone.
    pub(crate) fn put_back(&mut self, topic: &TopicId, batch: Vec<Entry>) {
        let Some(lane) = self.lanes.get_mut(topic) else { return };
        for entry in batch.into_iter().rev() {
            if let Entry::Frame { frame, .. } = &entry {
                self.frames += 1;
                self.bytes += frame.len();
            }
            lane.entries.push_front(entry);
        }
    }

    /// Forgets a topic's frames.
    pub(crate) fn remove(&mut self, topic: &TopicId) {
        let frames = self.lanes.remove(topic).map(|lane| lane.entries).unwrap_or_default();
        for entry in frames {
            if let Entry::Frame { frame, .. } = entry {
                self.frames -= 1;
                self.bytes -= frame.len();
            }
        }
    }

    /// Whether any frame waits.
    pub(crate) fn has_frames(&self) -> bool {
        self.frames > 0
    }

    /// The open lane that was used least recently on a connection, other than `topic`'s.
    pub(crate) fn least_used(&mut self, topic: &TopicId, link: u64) -> Option<&mut Lane> {
        let lanes = self.lanes.iter_mut().filter(|(other, _)| *other != topic);
        let open = lanes.map(|(_, lane)| lane).filter(|l| l.open_on == Some(link) && !l.is_evicted);
        open.min_by_key(|lane| lane.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicId = TopicId([1; 32]);
    const OTHER: TopicId = TopicId([2; 32]);

    fn outgoing(text: &'static str, is_data: bool) -> Outgoing {
        Outgoing { frame: Bytes::from_static(text.as_bytes()), is_data, is_last: false }
    }

    fn texts(queue: &mut Queue, topic: &TopicId) -> Vec<String> {
        let batch = queue.take(topic, Instant::now());
        let text = |entry| match entry {
            Entry::Frame { frame, .. } => String::from_utf8(frame.to_vec()).expect("text"),
            Entry::Finish(_) => "finish".to_owned(),
        };
        batch.into_iter().map(text).collect()
    }

    #[test]
    fn the_oldest_data_of_all_topics_goes_and_control_stays() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut push = |topic, frame| queue.push(topic, frame, (3, 1000), now);
        let fits = Pushed::Waits { dropped: 0, is_full: false };
        assert_eq!(push(OTHER, outgoing("data 1", true)), fits);
        assert_eq!(push(TOPIC, outgoing("control", false)), fits);
        push(TOPIC, outgoing("data 2", true));
        let dropped = Pushed::Waits { dropped: 1, is_full: true };
        assert_eq!(push(TOPIC, outgoing("data 3", true)), dropped);
        assert_eq!(push(OTHER, outgoing("data 4", true)), dropped);
        assert_eq!(texts(&mut queue, &TOPIC), ["control", "data 3"]);
        assert_eq!(texts(&mut queue, &OTHER), ["data 4"]);
        assert!(!queue.has_frames());
    }

    #[test]
    fn a_peer_that_takes_no_control_is_hopeless() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let pushed: Vec<_> =
            (0..14).map(|_| queue.push(TOPIC, outgoing("c", false), (3, 1000), now)).collect();
        assert_eq!(pushed.iter().filter(|pushed| **pushed == Pushed::Hopeless).count(), 1);
    }

    #[test]
    fn what_is_put_back_comes_first_and_is_counted_again() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for text in ["a", "b"] {
            queue.push(TOPIC, outgoing(text, false), (9, 99), now);
        }
        queue.finish(&TOPIC, None);
        let batch = queue.take(&TOPIC, now);
        assert_eq!(batch.len(), 2);
        assert!(queue.take(&TOPIC, now).is_empty(), "the finish is no frame");
        queue.put_back(&TOPIC, batch);
        assert_eq!((queue.frames, queue.bytes), (2, 2));
        assert_eq!(texts(&mut queue, &TOPIC), ["a", "b"]);
        queue.remove(&TOPIC);
        assert_eq!((queue.frames, queue.bytes), (0, 0));
    }
}
