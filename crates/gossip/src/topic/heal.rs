//! Asking peers that are no neighbors for theirs, so that the parts of a torn swarm find each other.
//!
//! Lost peers leave both views of the reference, and a part that is left with neighbors has no reason to join anybody: it
//! would stay apart for ever. A Shuffle with ttl 0 costs nobody a neighbor. Who has it takes us into its passive view and
//! answers with some of its own peers, which fill our free places (`on_shuffle` of iroh-gossip 0.101, hyparview.rs).

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

/// Peers that are asked at a time.
pub(super) const ASKED: usize = 3;
/// Seconds between two times while nothing happens.
const CALM: u64 = 600;

/// When to ask.
pub(crate) struct Heal {
    pause: u64,
    at: Option<Instant>,
}

impl Default for Heal {
    fn default() -> Self {
        Self { pause: CALM, at: None }
    }
}

impl Heal {
    /// A neighbor was lost, or peers were named that may never become neighbors: asked soon, and again in a while.
    pub(crate) fn soon(&mut self) {
        (self.pause, self.at) = (1, None);
    }

    /// Sets or stops the clock: 1, 2, 4 … 600 s, each up to 20 % more or less. Without neighbors there is nobody to bring.
    pub(crate) fn look(&mut self, has_neighbors: bool, now: Instant, rng: &mut impl rand::Rng) {
        if !has_neighbors {
            self.at = None;
        } else if self.at.is_none() {
            let pause = Duration::from_secs(self.pause);
            self.at = Some(now + pause.mul_f64(rng.random_range(0.8..=1.2)));
            self.pause = CALM.min(self.pause * 2);
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.at
    }

    /// Whether it is time.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn the_pauses_double_up_to_ten_minutes_and_begin_anew_with_a_loss() {
        let (mut heal, mut rng) = (Heal::default(), StdRng::seed_from_u64(1));
        let mut now = Instant::now();
        let mut expect = |heal: &mut Heal, seconds: f64| {
            heal.look(true, now, &mut rng);
            let at = heal.next().expect("a time");
            let pause = (at - now).as_secs_f64();
            assert!((seconds * 0.79..seconds * 1.21).contains(&pause), "{pause} for {seconds}");
            assert!(!heal.is_due(now));
            now = at;
            assert!(heal.is_due(now));
            assert!(!heal.is_due(now));
        };
        expect(&mut heal, 600.0);
        heal.soon();
        for seconds in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 600.0, 600.0] {
            expect(&mut heal, seconds);
        }
        heal.soon();
        expect(&mut heal, 1.0);
        heal.look(false, Instant::now(), &mut StdRng::seed_from_u64(1));
        assert_eq!(heal.next(), None, "rejoining is another's work");
    }
}
