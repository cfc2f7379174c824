//! The threads of the native core, one set for the process.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use napi_derive::napi;
use tokio::runtime::{Builder, Handle};

/// Threads for calls that wait for a disk; more would only stand in its way.
const MAX_BLOCKING: usize = 16;

static WORKERS: AtomicUsize = AtomicUsize::new(1);
static RUNTIME: OnceLock<Result<Handle, String>> = OnceLock::new();

/// Sets how many threads the runtime has; fails once it runs.
#[napi]
pub fn configure_runtime(workers: u32) -> napi::Result<()> {
    if RUNTIME.get().is_some() {
        return Err(napi::Error::from_reason(
            "the runtime runs already: configure it before the first endpoint",
        ));
    }
    WORKERS.store(workers.max(1) as usize, Relaxed);
    Ok(())
}

/// The runtime, started at the first endpoint: waiting for a new thread while the module loads would deadlock.
pub fn handle() -> napi::Result<&'static Handle> {
    let runtime =
        RUNTIME.get_or_init(|| start(WORKERS.load(Relaxed)).map_err(|error| error.to_string()));
    runtime.as_ref().map_err(|error| {
        napi::Error::from_reason(format!("the native runtime did not start: {error}"))
    })
}

/// How many threads there are, or will be.
pub fn workers() -> usize {
    WORKERS.load(Relaxed)
}

/// One worker is a current-thread runtime on a thread of its own: it saves the wakes and steals between workers.
fn start(workers: usize) -> std::io::Result<Handle> {
    if workers > 1 {
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .max_blocking_threads(MAX_BLOCKING)
            .thread_name("gaiwan")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        // It lives as long as the process; dropping it would wait for its tasks.
        std::mem::forget(runtime);
        return Ok(handle);
    }
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name("gaiwan-blocking")
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("gaiwan".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}
