//! Progress, as ITEMs of a subscription: at most twenty a second, and one at the end.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use gaiwan_blobs::store::Phase;
use serde_json::json;

use crate::{
    core::Core,
    queue::{Aux, Event},
};

const INTERVAL: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Told {
    /// Bytes by phase.
    bytes: [u64; 3],
    total: Option<u64>,
    /// Of several blobs: how many are done with, and how many there are.
    blobs: Option<(u64, u64)>,
    last: Option<Instant>,
}

/// Tells one operation's progress; from any thread.
pub struct Teller {
    core: Arc<Core>,
    /// 0: nobody listens.
    sub: u32,
    told: Mutex<Told>,
}

impl Teller {
    pub fn new(core: &Arc<Core>, sub: u32) -> Self {
        Self { core: core.clone(), sub, told: Mutex::default() }
    }

    /// How many bytes there are in all.
    pub fn total(&self, total: u64) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).total = Some(total);
    }

    /// How many blobs there are in all.
    pub fn blobs(&self, total: u64) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).blobs = Some((0, total));
    }

    /// One blob more is done with; told with what comes next.
    pub fn blob(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((done, _)) = &mut told.blobs {
            *done += 1;
        }
    }

    /// So many bytes more.
    pub fn note(&self, phase: Phase, bytes: u64, name: Option<&str>) {
        self.tell(phase, bytes, name, false);
    }

    /// That was all.
    pub fn end(&self, phase: Phase) {
        self.tell(phase, 0, None, true);
    }

    fn tell(&self, phase: Phase, bytes: u64, name: Option<&str>, end: bool) {
        if self.sub == 0 {
            return;
        }
        let (at, text) = match phase {
            Phase::Copy => (0, "copy"),
            Phase::Hash => (1, "hash"),
            Phase::Write => (2, "write"),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.bytes[at] += bytes;
        if !end && told.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        told.last = Some(Instant::now());
        let mut body = json!({
            "phase": text,
            "name": name,
            "bytes": told.bytes[at],
            "totalBytes": told.total,
        });
        if let Some((done, total)) = told.blobs {
            body["blobs"] = done.into();
            body["totalBlobs"] = total.into();
        }
        // Inside the lock, so that no smaller number comes later.
        self.core.push(Event::item(self.sub, Aux::Value(end.into()), body.to_string()));
    }
}
