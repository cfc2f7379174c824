//! One connection.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use gaiwan_base::EndpointId;
use gaiwan_endpoint::{Connection, Side};
use tokio::{sync::Semaphore, time::Instant};

use super::guard::Guard;
use crate::{
    lock,
    proto::{PeerId, TopicId},
};

/// Frames of one connection between its streams and the topics.
const FRAMES: usize = 64;
/// Their bytes.
pub(crate) const BYTES: usize = 512 * 1024;

/// A second stop within this time ends the connection.
const STOPS: Duration = Duration::from_secs(10);

/// A connection to a peer and what is counted about it.
pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) peer: PeerId,
    pub(crate) remote: EndpointId,
    pub(crate) connection: Connection,
    pub(crate) frames: Arc<Semaphore>,
    pub(crate) bytes: Arc<Semaphore>,
    pub(crate) guard: Arc<Mutex<Guard>>,
    pub(crate) undecodable: AtomicU32,
    pub(crate) discarded: AtomicUsize,
    /// When the peer last stopped a stream of ours, by topic.
    stops: Mutex<HashMap<TopicId, Instant>>,
    opened: Instant,
    /// Milliseconds after `opened`.
    heard: AtomicU64,
    active: AtomicU64,
    sent: AtomicU64,
    frames_heard: AtomicU64,
    is_idle_close: AtomicBool,
}

impl Link {
    pub(crate) fn new(
        remote: EndpointId,
        connection: Connection,
        guard: Arc<Mutex<Guard>>,
    ) -> Self {
        Self {
            id: connection.stable_id(),
            peer: remote.into(),
            remote,
            connection,
            frames: Arc::new(Semaphore::new(FRAMES)),
            bytes: Arc::new(Semaphore::new(BYTES)),
            guard,
            undecodable: AtomicU32::new(0),
            discarded: AtomicUsize::new(0),
            stops: Mutex::default(),
            opened: Instant::now(),
            heard: AtomicU64::new(0),
            active: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            frames_heard: AtomicU64::new(0),
            is_idle_close: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn since(&self, mark: &AtomicU64) -> u64 {
        self.now().saturating_sub(mark.load(Relaxed))
    }

    /// A frame came.
    pub(crate) fn note_heard(&self) {
        let now = self.now();
        self.heard.store(now, Relaxed);
        self.active.store(now, Relaxed);
        self.frames_heard.fetch_add(1, Relaxed);
    }

    /// QUIC took bytes of ours.
    pub(crate) fn note_sent(&self) {
        let now = self.now();
        self.active.store(now, Relaxed);
        self.sent.store(now, Relaxed);
    }

    /// Milliseconds since QUIC took bytes of ours.
    pub(crate) fn silence_of_us(&self) -> u64 {
        self.since(&self.sent)
    }

    /// Milliseconds since a frame went in either direction.
    pub(crate) fn silence(&self) -> u64 {
        self.since(&self.active)
    }

    /// Milliseconds since the peer sent a frame.
    pub(crate) fn silence_of_peer(&self) -> u64 {
        self.since(&self.heard)
    }

    /// The peer stopped the stream of a topic. It may have had its reasons once; twice in a short time ends the
    /// connection, for a peer of the reference that met a bad header reads nothing of it any more.
    pub(crate) fn note_stop(&self, topic: TopicId) {
        let now = Instant::now();
        let last = lock(&self.stops).insert(topic, now);
        if last.is_some_and(|last| now - last < STOPS) {
            self.fail();
        }
    }

    /// Whether the peer ever sent a frame here.
    pub(crate) fn was_heard(&self) -> bool {
        self.frames_heard.load(Relaxed) > 0
    }

    pub(crate) fn is_dialed(&self) -> bool {
        self.connection.side() == Side::Client
    }

    /// Closes because nobody needs it: no failure, and nobody is told.
    pub(crate) fn close_idle(&self) {
        self.is_idle_close.store(true, Relaxed);
        self.fail();
    }

    pub(crate) fn is_idle_close(&self) -> bool {
        self.is_idle_close.load(Relaxed)
    }

    /// Closes because the peer did what it must not, or nothing; it counts as lost.
    pub(crate) fn fail(&self) {
        self.connection.close(0, b"");
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.connection.quinn().close_reason().is_some()
    }
}
