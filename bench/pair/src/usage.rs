//! What this process used so far.

use serde_json::{Value, json};

/// CPU seconds of all threads, and resident bytes (null where the system does not tell).
pub fn usage() -> Value {
    json!({ "cpuSeconds": cpu_seconds(), "rssBytes": rss_bytes() })
}

/// User and system time of all threads, in seconds.
#[cfg(unix)]
pub fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// User and system time of all threads, in seconds.
#[cfg(not(unix))]
pub fn cpu_seconds() -> Option<f64> {
    None
}

/// `VmRSS` of `/proc/self/status`; the harness in JavaScript reads the same line.
pub fn rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
