//! Where peers are.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Mutex,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    lock,
    proto::{
        PeerId,
        peer_data::{self, PeerData},
    },
};

/// How long an address is kept that a peer told.
const KEEP: Duration = Duration::from_secs(300);
/// Peers whose told addresses are kept at once.
const PEERS: usize = 4096;

/// Addresses by peer: those a user gave stay, those peers told fade.
#[derive(Default)]
pub(crate) struct Book {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    given: HashMap<PeerId, Vec<SocketAddr>>,
    told: HashMap<PeerId, Told>,
    trusted: HashSet<PeerId>,
    /// Our own addresses, which say what a loopback address of another can mean.
    ours: Vec<IpAddr>,
}

struct Told {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

impl Book {
    pub(crate) fn set_ours(&self, ours: Vec<IpAddr>) {
        lock(&self.inner).ours = ours;
    }

    /// Peers that a user named are dialed without the rate limit for those learned from gossip.
    pub(crate) fn trust(&self, peers: &[PeerId]) {
        lock(&self.inner).trusted.extend(peers);
    }

    pub(crate) fn is_trusted(&self, peer: &PeerId) -> bool {
        lock(&self.inner).trusted.contains(peer)
    }

    /// Addresses that a user gave.
    pub(crate) fn learn(&self, peer: PeerId, addresses: &[SocketAddr]) {
        let mut inner = lock(&self.inner);
        inner.trusted.insert(peer);
        let known = inner.given.entry(peer).or_default();
        for address in addresses {
            if !known.contains(address) {
                known.push(*address);
            }
        }
    }

    /// Peer data that came with a message; what can't be read is logged and dropped.
    pub(crate) fn heard(&self, peer: PeerId, bytes: &[u8]) {
        let data = match PeerData::decode(bytes) {
            Ok(data) => data,
            Err(error) => {
                tracing::debug!(?peer, %error, "peer data that can't be read");
                return;
            }
        };
        let now = Instant::now();
        let mut inner = lock(&self.inner);
        let fit = |address: &SocketAddr| peer_data::may_dial(address, &inner.ours);
        let fresh: Vec<SocketAddr> = data.addresses.into_iter().filter(fit).collect();
        if fresh.is_empty() || (inner.told.len() >= PEERS && !inner.told.contains_key(&peer)) {
            return;
        }
        let told = inner.told.entry(peer).or_insert(Told { addresses: Vec::new(), at: now });
        told.at = now;
        // Newest first, so that a peer that moved is found at once and old addresses fall off the end.
        told.addresses.retain(|known| !fresh.contains(known));
        told.addresses.splice(0..0, fresh);
        told.addresses.truncate(peer_data::ADDRESSES);
    }

    pub(crate) fn addresses(&self, peer: &PeerId) -> Vec<SocketAddr> {
        let inner = lock(&self.inner);
        let mut all = inner.given.get(peer).cloned().unwrap_or_default();
        let told = inner.told.get(peer).filter(|told| told.at.elapsed() < KEEP);
        for address in told.iter().flat_map(|told| &told.addresses) {
            if !all.contains(address) {
                all.push(*address);
            }
        }
        all
    }

    pub(crate) fn sweep(&self) {
        lock(&self.inner).told.retain(|_, told| told.at.elapsed() < KEEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_peers_tell_is_merged_and_fades_and_what_users_give_stays() {
        let (book, peer) = (Book::default(), PeerId([1; 32]));
        let [a, b, c] = [1, 2, 3].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        let local = SocketAddr::from(([127, 0, 0, 1], 4));
        let tell = |addresses: Vec<SocketAddr>| {
            book.heard(peer, &PeerData { relay_url: None, addresses }.encode());
        };
        book.learn(peer, &[a]);
        tell(vec![b, local]);
        tell(vec![c]);
        assert_eq!(book.addresses(&peer), [a, c, b]);
        book.heard(peer, &[7]);
        tokio::time::advance(KEEP).await;
        assert_eq!(book.addresses(&peer), [a]);
        book.sweep();
        assert!(lock(&book.inner).told.is_empty());
    }
}
