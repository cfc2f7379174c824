//! The lines between a process and the parent that drives it.
//!
//! Client: prints `{"event":"ready"}` once it is connected and warm, waits for a line, runs, prints
//! `{"event":"result",…}`, and holds what it has until the next line or the end of stdin.
//! Server: prints `{"event":"ready",…}`, then one `{"event":"usage",…}` for each line, until the end of stdin.

use std::{
    io::{BufRead, Write},
    time::Instant,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Failure, usage};

/// Lines of stdin, as they come.
pub struct Gate {
    lines: mpsc::UnboundedReceiver<String>,
}

/// A measurement under way.
pub struct Run {
    started: Instant,
    cpu: Option<f64>,
    rss: Option<u64>,
}

impl Gate {
    /// Starts the thread that reads stdin.
    pub fn new() -> Self {
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { lines }
    }

    /// The next line; `None` at the end of stdin.
    pub async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Says that all is warm and waits for the word to go.
    pub async fn ready(&mut self) -> Result<Run, Failure> {
        print(&json!({ "event": "ready" }))?;
        self.line().await.ok_or("the parent left before the run")?;
        Ok(Run { started: Instant::now(), cpu: usage::cpu_seconds(), rss: usage::rss_bytes() })
    }

    /// Prints `figures` with what the run used, and holds until the parent has looked at the other side.
    pub async fn result(&mut self, run: &Run, figures: Value) -> Result<(), Failure> {
        let seconds = run.started.elapsed().as_secs_f64();
        let cpu = usage::cpu_seconds().zip(run.cpu).map(|(after, before)| after - before);
        let rss =
            usage::rss_bytes().zip(run.rss).map(|(after, before)| after as i64 - before as i64);
        print(&json!({
            "event": "result", "seconds": seconds, "cpuSeconds": cpu, "rssGrowthBytes": rss, "figures": figures,
        }))?;
        self.line().await;
        Ok(())
    }
}

/// Prints one JSON line at once.
pub fn print(value: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}

/// `{count, perSecond, p50Us, p99Us}` of operations that took `nanos` each, over `seconds`.
pub fn rate(mut nanos: Vec<u64>, seconds: f64) -> Value {
    nanos.sort_unstable();
    let at = |share: f64| {
        let last = nanos.len().saturating_sub(1);
        nanos.get((last as f64 * share).round() as usize).map(|nanos| *nanos as f64 / 1e3)
    };
    json!({
        "count": nanos.len(), "perSecond": nanos.len() as f64 / seconds, "p50Us": at(0.5), "p99Us": at(0.99),
    })
}
