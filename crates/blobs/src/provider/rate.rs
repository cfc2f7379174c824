//! Bytes a second.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// How far ahead a quiet time lets one go.
const BURST: Duration = Duration::from_millis(100);

/// A limit on bytes per second, shared by all who send under it.
#[derive(Debug)]
pub(crate) struct Rate {
    bytes_per_second: u64,
    /// When what was taken so far is paid for.
    paid: Mutex<Instant>,
}

impl Rate {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid: Mutex::new(Instant::now()) }
    }

    /// Waits until what was sent before is paid for, then takes `bytes`. Who comes first goes first; who does not wait any
    /// more has taken nothing.
    pub(crate) async fn take(&self, bytes: u64) {
        let mut paid = self.paid.lock().await;
        sleep_until(*paid).await;
        let now = Instant::now();
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        *paid = (*paid).max(now.checked_sub(BURST).unwrap_or(now)) + cost;
    }

    /// Whether what was taken is not paid for.
    pub(crate) fn owes(&self) -> bool {
        self.paid.try_lock().map_or(true, |paid| *paid > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thousand_bytes_take_their_time() {
        let start = Instant::now();
        let rate = Rate::new(1_000);
        for _ in 0..10 {
            rate.take(100).await;
        }
        assert!(start.elapsed() >= Duration::from_millis(800), "{:?}", start.elapsed());
        assert!(rate.owes());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!rate.owes());
    }

    #[tokio::test(start_paused = true)]
    async fn p5_who_gives_up_costs_the_others_nothing() {
        let rate = Rate::new(1_000);
        rate.take(100).await;
        for _ in 0..1_000 {
            assert!(rate.take(1_000_000).now_or_never().is_none());
        }
        let start = Instant::now();
        rate.take(1).await;
        assert!(start.elapsed() <= Duration::from_millis(110), "{:?}", start.elapsed());
    }
}
