//! Keeps the runtime's thread awake for a moment while a conversation goes on.
//!
//! Waking a thread on an idle CPU costs more than a small request does. After an answer or a request has passed, the
//! next one is likely to be near, so the thread looks for it for a little while before it sleeps.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How long the thread looks.
const SPIN: Duration = Duration::from_micros(60);
/// A turn given up that takes longer was taken by a program that computes: it has the CPU for milliseconds each time.
const CROWDED: Duration = Duration::from_millis(1);
/// For how long nobody looks then. Sleeping costs a wake, looking the turn of whoever computes.
const REST: Duration = Duration::from_millis(20);
/// The span over which messages are counted.
const WINDOW: Duration = Duration::from_millis(1);
/// More messages than this in a window are a load; one conversation at its fastest stays below.
const MESSAGES: u32 = 24;

/// Tells a conversation from a load, by the messages that JavaScript sends.
#[derive(Default)]
pub struct Pace {
    window: Cell<Option<Instant>>,
    count: Cell<u32>,
    loaded: Cell<bool>,
}

impl Pace {
    /// Counts messages of one crossing; whether they belong to a conversation.
    pub fn note(&self, messages: usize) -> bool {
        let now = Instant::now();
        match self.window.get() {
            Some(window) if now.duration_since(window) < WINDOW => {}
            window => {
                // A window that was long over says nothing about load.
                let recent = window.is_some_and(|window| now.duration_since(window) < 2 * WINDOW);
                self.loaded.set(recent && self.count.get() > MESSAGES);
                self.window.set(Some(now));
                self.count.set(0);
            }
        }
        self.count
            .set(self.count.get().saturating_add(u32::try_from(messages).unwrap_or(u32::MAX)));
        !self.loaded.get() && self.count.get() <= MESSAGES
    }
}

/// When to stop looking.
pub struct Spin {
    start: Instant,
    /// Whether JavaScript is in a conversation.
    calm: AtomicBool,
    /// Nanoseconds since `start`.
    until: AtomicU64,
    /// The same: others want the CPU, so nobody looks until then.
    rest: AtomicU64,
    running: AtomicBool,
}

impl Spin {
    /// Not looking yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            calm: AtomicBool::new(true),
            until: AtomicU64::new(0),
            rest: AtomicU64::new(0),
            running: AtomicBool::new(false),
        })
    }

    /// A message passed: look on from now. From any thread; does not start to look.
    pub fn extend(&self) {
        self.until.store(self.now().saturating_add(nanoseconds(SPIN)), Relaxed);
    }

    fn now(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    /// What the pace of the JavaScript thread is.
    pub fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Relaxed);
    }

    /// As `extend`, and starts to look, in a conversation only; on the runtime.
    pub fn begin(self: &Arc<Self>) {
        if !self.calm.load(Relaxed) || self.now() < self.rest.load(Relaxed) {
            return;
        }
        self.extend();
        if self.running.swap(true, Relaxed) {
            return;
        }
        let spin = self.clone();
        tokio::spawn(async move {
            loop {
                let before = spin.now();
                if !spin.calm.load(Relaxed) || before >= spin.until.load(Relaxed) {
                    break;
                }
                // Other threads first, then our own tasks and the sockets.
                std::thread::yield_now();
                let after = spin.now();
                if after - before > nanoseconds(CROWDED) {
                    spin.rest.store(after + nanoseconds(REST), Relaxed);
                    break;
                }
                tokio::task::yield_now().await;
            }
            spin.running.store(false, Relaxed);
        });
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
