//! Once a second: who stalls, who is needed no more, what can be forgotten.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Net, link::Link, peer::Peer, table::Table};
use crate::{lock, metrics::count};

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// Rounds between two sweeps of the address book.
const SWEEP: u32 = 30;
/// No byte taken for so long while the queue is full: the peer has failed.
const STALL: Duration = Duration::from_secs(10);
/// Milliseconds of silence before the side that dialed closes.
const DIALED: u64 = 10_000;
/// The same for the side that accepted: a peer of the reference that still has us in its table could not dial us again.
const ACCEPTED: u64 = 300_000;
/// Accepted connections that may idle; of more, the oldest go.
const IDLE: usize = 256;
/// Milliseconds of silence on a duplicate whose peer speaks on another connection.
const DUPLICATE: u64 = 60_000;

/// Runs until the instance is gone or shut down.
pub(super) fn spawn(net: &Arc<Net>) {
    let weak = Arc::downgrade(net);
    let mut stop = net.stop.subscribe();
    tokio::spawn(async move {
        tokio::select! {
            () = run(weak) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    });
}

async fn run(net: Weak<Net>) {
    let mut ticks = interval(ROUND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0u32.. {
        ticks.tick().await;
        let Some(net) = net.upgrade() else { return };
        if round % SWEEP == 0 {
            net.book.sweep();
        }
        net.keep(&mut lock(&net.table));
    }
}

impl Net {
    fn keep(&self, table: &mut Table) {
        let now = Instant::now();
        for peer in table.peers.values_mut() {
            peer.expire(now);
            self.look_for_stall(peer, now);
            close_idle(peer);
        }
        let idle = table.peers.values().filter(|peer| peer.holds.is_empty());
        let links = idle.flat_map(|peer| &peer.links).filter(|link| !link.is_dialed());
        let mut idle: Vec<&Arc<Link>> = links.collect();
        if idle.len() > IDLE {
            idle.sort_by_key(|link| link.silence());
            idle[IDLE..].iter().for_each(|link| link.close_idle());
        }
        table.peers.retain(|_, peer| !peer.is_forgettable());
        table.guards.retain(|_, guard| Arc::strong_count(guard) > 1 || !lock(guard).is_clean(now));
    }

    fn look_for_stall(&self, peer: &mut Peer, now: Instant) {
        let is_full = peer.full_since.is_some_and(|since| now - since >= STALL);
        let is_silent =
            peer.links.iter().all(|link| u128::from(link.silence_of_us()) >= STALL.as_millis());
        if is_full && is_silent && !peer.links.is_empty() {
            count(&self.metrics.peers_stalled);
            peer.full_since = None;
            peer.links.iter().for_each(|link| link.fail());
        }
    }
}

/// Closes what no topic needs, and duplicates that nobody uses.
fn close_idle(peer: &Peer) {
    let is_free = peer.holds.is_empty() && peer.queue.lanes.is_empty();
    let send = peer.send_link().map(|link| link.id);
    for link in &peer.links {
        let limit = if link.is_dialed() { DIALED } else { ACCEPTED };
        let speaks_elsewhere = |other: &Arc<Link>| {
            other.id != link.id
                && other.was_heard()
                && other.silence_of_peer() < link.silence_of_peer()
        };
        let is_duplicate = send != Some(link.id)
            && link.silence_of_peer() > DUPLICATE
            && link.silence() > DUPLICATE
            && peer.links.iter().any(speaks_elsewhere);
        if (is_free && link.silence() >= limit) || is_duplicate {
            link.close_idle();
        }
    }
}
