//! Log lines of the native core: to stderr, or to a JavaScript function.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex, Once, PoisonError, Weak,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use napi_derive::napi;
use serde_json::json;
use tracing::{
    Event as TraceEvent, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry,
};

use crate::{
    bridge::NativeBridge,
    core::Core,
    queue::{Aux, Event},
};

/// 0 off, 1 error … 5 trace.
static LEVEL: AtomicU8 = AtomicU8::new(2);
static SINK: Mutex<Option<Sink>> = Mutex::new(None);
static INSTALL: Once = Once::new();

struct Sink {
    core: Weak<Core>,
    sub: u32,
    level: u8,
}

fn number(level: &str) -> u8 {
    ["off", "error", "warn", "info", "debug", "trace"]
        .iter()
        .position(|name| *name == level)
        .unwrap_or(2) as u8
}

fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Lines on stderr, for the whole process.
#[napi]
pub fn set_log_level(level: String) {
    install();
    let sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
    if sink.is_none() {
        LEVEL.store(number(&level), Relaxed);
    }
    STDERR.store(number(&level), Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// The level on stderr while no function takes the lines.
static STDERR: AtomicU8 = AtomicU8::new(2);

#[napi]
impl NativeBridge {
    /// ITEMs of `sub` take the lines in place of stderr; 0 gives them back.
    #[napi]
    pub fn logger(&self, sub: u32, level: String) -> napi::Result<()> {
        install();
        let mut sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
        if sub == 0 {
            *sink = None;
            LEVEL.store(STDERR.load(Relaxed), Relaxed);
        } else {
            let level = number(&level);
            *sink = Some(Sink { core: Arc::downgrade(self.core()?), sub, level });
            LEVEL.store(level, Relaxed);
        }
        drop(sink);
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }
}

/// Forgets the function of an environment that is gone.
pub fn detach(core: &Arc<Core>) {
    let mut sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
    if sink.as_ref().is_some_and(|sink| std::ptr::eq(sink.core.as_ptr(), Arc::as_ptr(core))) {
        *sink = None;
        LEVEL.store(STDERR.load(Relaxed), Relaxed);
    }
}

/// Puts our subscriber in place, once, the first time that somebody cares.
pub fn install() {
    INSTALL.call_once(|| {
        // Fails only if another addon code of this library did it already.
        let _ = tracing::subscriber::set_global_default(registry().with(Lines));
    });
}

struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        rank(*metadata.level()) <= LEVEL.load(Relaxed)
    }

    fn on_event(&self, event: &TraceEvent<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        let sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
        match sink
            .as_ref()
            .and_then(|sink| sink.core.upgrade().map(|core| (core, sink.sub, sink.level)))
        {
            Some((core, sub, level)) if rank(*metadata.level()) <= level => {
                let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let line = json!({
                    "target": metadata.target(),
                    "message": text.0,
                    "timeMs": u64::try_from(time.as_millis()).unwrap_or(0),
                });
                let aux = Aux::Value(rank(*metadata.level()).into());
                core.push(Event::item(sub, aux, line.to_string()));
            }
            Some(_) => {}
            None => eprintln!("gaiwan {} {}: {}", metadata.level(), metadata.target(), text.0),
        }
    }
}

/// The message and its fields on one line.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let message = format!("{value:?}");
            self.0.insert_str(0, &message);
        } else {
            // Writing to a String can't fail.
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}
