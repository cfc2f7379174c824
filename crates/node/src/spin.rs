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
    running: AtomicBool,
}

impl Spin {
    /// Not looking yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            calm: AtomicBool::new(true),
            until: AtomicU64::new(0),
            running: AtomicBool::new(false),
        })
    }

    /// A message passed: look on from now. From any thread; does not start to look.
    pub fn extend(&self) {
        let until = self.start.elapsed() + SPIN;
        self.until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// What the pace of the JavaScript thread is.
    pub fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Relaxed);
    }

    /// As `extend`, and starts to look, in a conversation only; on the runtime.
    pub fn begin(self: &Arc<Self>) {
        if !self.calm.load(Relaxed) {
            return;
        }
        self.extend();
        if self.running.swap(true, Relaxed) {
            return;
        }
        let spin = self.clone();
        tokio::spawn(async move {
            while spin.calm.load(Relaxed)
                && spin.start.elapsed().as_nanos() < u128::from(spin.until.load(Relaxed))
            {
                // Other threads first, then our own tasks and the sockets.
                std::thread::yield_now();
                tokio::task::yield_now().await;
            }
            spin.running.store(false, Relaxed);
        });
    }
}
