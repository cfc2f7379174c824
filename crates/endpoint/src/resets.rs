//! Stateless resets (RFC 9000, section 10.3), which quinn sends for every packet of a connection that it has forgotten.
//!
//! It forgets one that it closed after three probe timeouts, about 100 ms on a fast path. What a peer sent before it read
//! the close comes later than that if the peer's machine stalls; the reset for it then overtakes the close in quinn-proto
//! 0.11 (`Connection::handle_packet` replaces the error that it already has), and the peer never hears code and reason. So
//! a reset waits: only for a peer that still sends seconds later is it news.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::endpoint::lock;

/// Longer than a machine is likely to stall, shorter than what people take for dead.
const HOLD: Duration = Duration::from_secs(3);
/// Whoever comes later than that is somebody new.
const FORGET: Duration = Duration::from_secs(60);
/// Connections that are remembered. Anybody can name new ones, which then only delays resets.
const MOST: usize = 1024;
/// A reset ends with a token that belongs to one connection id.
const TOKEN: usize = 16;

/// When each was wanted first.
#[derive(Default)]
pub(crate) struct Resets(Mutex<HashMap<[u8; TOKEN], Instant>>);

impl Resets {
    /// Whether a datagram that quinn's endpoint driver sends may leave now. All of its others have a long header.
    pub(crate) fn may_leave(&self, datagram: &[u8], now: Instant) -> bool {
        let is_long = datagram.first().is_none_or(|first| first & 0x80 != 0);
        let Some(token) = datagram.last_chunk::<TOKEN>().filter(|_| !is_long) else { return true };
        let mut wanted = lock(&self.0);
        if wanted.len() >= MOST {
            wanted.retain(|_, since| now.duration_since(*since) < FORGET);
        }
        if wanted.len() >= MOST && !wanted.contains_key(token) {
            return false;
        }
        let since = wanted.entry(*token).or_insert(now);
        match now.duration_since(*since) {
            age if age >= FORGET => {
                *since = now;
                false
            }
            age => age >= HOLD,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reset(token: u8) -> [u8; 40] {
        let mut datagram = [token; 40];
        datagram[0] = 0x5a;
        datagram
    }

    #[test]
    fn a_reset_leaves_for_those_who_still_send_after_a_while() {
        let (resets, start) = (Resets::default(), Instant::now());
        let at = |token, ms| resets.may_leave(&reset(token), start + Duration::from_millis(ms));
        assert!(!at(1, 0) && !at(1, 2_999) && !at(2, 2_999));
        assert!(at(1, 3_000) && at(1, 59_999) && !at(2, 3_000));
        // Another connection with the same id, a minute later.
        assert!(!at(1, 60_000) && !at(1, 62_999) && at(1, 63_000));
    }

    #[test]
    fn what_is_no_reset_leaves() {
        let resets = Resets::default();
        let now = Instant::now();
        for first in [0x80, 0xc3, 0xff] {
            let mut datagram = reset(1);
            datagram[0] = first;
            assert!(resets.may_leave(&datagram, now));
        }
        assert!(resets.may_leave(&[], now) && resets.may_leave(&[0x40; 15], now));
    }

    #[test]
    fn whoever_names_many_connections_fills_no_memory() {
        let (resets, start) = (Resets::default(), Instant::now());
        let at = |n: u32, ms| {
            let mut datagram = reset(0);
            datagram[36..].copy_from_slice(&n.to_be_bytes());
            resets.may_leave(&datagram, start + Duration::from_millis(ms))
        };
        (0..100_000).for_each(|n| assert!(!at(n, 0)));
        assert_eq!(lock(&resets.0).len(), MOST);
        // Those who were there first are not driven out, and a minute later there is room.
        assert!(at(0, 3_000) && !at(99_999, 3_000));
        assert!(!at(99_999, 60_000) && at(99_999, 63_000));
        assert_eq!(lock(&resets.0).len(), 1);
    }
}
