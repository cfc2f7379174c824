//! Joining known peers again while there is no neighbor.
//!
//! A Join to a peer that has not joined the topic is ignored without an answer, and a lost peer leaves both views of the
//! reference; so somebody has to ask again.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use crate::proto::PeerId;

/// Former neighbors that are remembered.
const FORMER: usize = 64;
/// The longest pause between two attempts.
const LONGEST: u64 = 60;

/// Whom to ask, and when.
#[derive(Default)]
pub(crate) struct Rejoin {
    bootstrap: Vec<PeerId>,
    former: Vec<PeerId>,
    turn: usize,
    attempts: u32,
    at: Option<Instant>,
}

impl Rejoin {
    /// Peers that a user named.
    pub(crate) fn bootstrap(&mut self, peers: &[PeerId]) {
        for peer in peers {
            if !self.bootstrap.contains(peer) {
                self.bootstrap.push(*peer);
            }
        }
    }

    /// A peer that was a neighbor.
    pub(crate) fn former(&mut self, peer: PeerId) {
        if self.bootstrap.contains(&peer) {
            return;
        }
        self.former.retain(|known| *known != peer);
        if self.former.len() == FORMER {
            self.former.remove(0);
        }
        self.former.push(peer);
    }

    /// Sets or stops the clock: 1, 2, 4 … 60 s, each up to 20 % more or less, while there is somebody to ask.
    pub(crate) fn look(&mut self, has_neighbors: bool, now: Instant, rng: &mut impl rand::Rng) {
        if has_neighbors || self.bootstrap.len() + self.former.len() == 0 {
            (self.at, self.attempts) = (None, 0);
        } else if self.at.is_none() {
            let pause = Duration::from_secs(LONGEST.min(1 << self.attempts.min(6)));
            self.at = Some(now + pause.mul_f64(rng.random_range(0.8..=1.2)));
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.at
    }

    /// Some that are known and no neighbors, each in turn.
    pub(crate) fn absent(
        &mut self,
        is_neighbor: impl Fn(&PeerId) -> bool,
        most: usize,
    ) -> Vec<PeerId> {
        let all = self.bootstrap.iter().chain(self.former.iter().rev());
        let absent: Vec<PeerId> = all.filter(|peer| !is_neighbor(peer)).copied().collect();
        let most = most.min(absent.len());
        let turn = self.turn % absent.len().max(1);
        self.turn = self.turn.wrapping_add(most);
        absent.iter().cycle().skip(turn).take(most).copied().collect()
    }

    /// Whom to ask now, if it is time. Each is asked in turn.
    pub(crate) fn due(&mut self, now: Instant) -> Option<PeerId> {
        if self.at? > now {
            return None;
        }
        self.at = None;
        self.attempts += 1;
        let all: Vec<&PeerId> = self.bootstrap.iter().chain(self.former.iter().rev()).collect();
        let peer = all.get(self.turn % all.len().max(1)).map(|peer| **peer);
        self.turn = self.turn.wrapping_add(1);
        peer
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn the_pauses_double_up_to_a_minute_and_everybody_has_a_turn() {
        let (mut rejoin, mut rng) = (Rejoin::default(), StdRng::seed_from_u64(1));
        let mut now = Instant::now();
        rejoin.look(false, now, &mut rng);
        assert_eq!(rejoin.next(), None, "there is nobody to ask");
        rejoin.bootstrap(&[PeerId([1; 32]), PeerId([1; 32])]);
        rejoin.former(PeerId([1; 32]));
        rejoin.former(PeerId([2; 32]));
        let mut asked = Vec::new();
        for wanted in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            rejoin.look(false, now, &mut rng);
            let at = rejoin.next().expect("a time");
            let pause = (at - now).as_secs_f64();
            assert!((wanted * 0.79..wanted * 1.21).contains(&pause), "{pause} for {wanted}");
            assert_eq!(rejoin.due(now), None);
            now = at;
            asked.push(rejoin.due(now).expect("a peer").0[0]);
        }
        assert_eq!(asked, [1, 2, 1, 2, 1, 2, 1, 2]);
        rejoin.look(true, now, &mut rng);
        assert_eq!(rejoin.next(), None);
    }

    #[test]
    fn who_is_absent_is_told_in_turn_and_neighbors_are_left_out() {
        let mut rejoin = Rejoin::default();
        assert_eq!(rejoin.absent(|_| false, 3), []);
        let peers = [1, 2, 3, 4, 5].map(|n| PeerId([n; 32]));
        rejoin.bootstrap(&peers);
        let mut told = |most| {
            let absent = rejoin.absent(|peer| *peer == peers[1], most);
            absent.iter().map(|peer| peer.0[0]).collect::<Vec<u8>>()
        };
        assert_eq!(told(3), [1, 3, 4]);
        assert_eq!(told(3), [5, 1, 3]);
        assert_eq!(told(9).len(), 4, "nobody twice");
    }
}
