//! What an endpoint remembers of its peers' addresses.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Mutex,
};

use gaiwan_base::EndpointId;

/// Peers without an open connection that are remembered.
const REMEMBERED: usize = 4096;
/// Peers looked at to find one to forget.
const LOOKS: usize = 32;
/// Addresses remembered for one peer.
const ADDRESSES: usize = 16;

/// An address of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAddress {
    /// As a dialer or an acceptor saw it.
    pub address: SocketAddr,
    /// Whether a connection uses it now.
    pub active: bool,
}

#[derive(Debug, Default)]
struct Peer {
    /// Newest first, with the number of open connections.
    addresses: Vec<(SocketAddr, usize)>,
}

impl Peer {
    /// Forgets the oldest unused addresses over the limit.
    fn trim(&mut self) {
        while self.addresses.len() > ADDRESSES
            && let Some(n) = self.addresses.iter().rposition(|(_, count)| *count == 0)
        {
            self.addresses.remove(n);
        }
    }
}

/// Addresses by peer, bounded.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    peers: HashMap<EndpointId, Peer>,
    /// In order of arrival; the oldest without a connection goes first.
    order: VecDeque<EndpointId>,
}

impl Peers {
    pub(crate) fn opened(&self, id: EndpointId, address: SocketAddr) {
        let mut table = self.lock();
        if !table.peers.contains_key(&id) {
            table.make_room();
            table.order.push_back(id);
        }
        let peer = table.peers.entry(id).or_default();
        let count = match peer.addresses.iter().position(|(known, _)| *known == address) {
            Some(n) => peer.addresses.remove(n).1,
            None => 0,
        };
        peer.addresses.insert(0, (address, count + 1));
        peer.trim();
    }

    pub(crate) fn closed(&self, id: EndpointId, address: SocketAddr) {
        let mut table = self.lock();
        let Some(peer) = table.peers.get_mut(&id) else { return };
        for (_, count) in peer.addresses.iter_mut().filter(|(known, _)| *known == address) {
            *count = count.saturating_sub(1);
        }
        // Here too: a peer that had many addresses in use at once must not leave them all behind.
        peer.trim();
    }

    /// Newest first, `None` for a stranger.
    pub(crate) fn get(&self, id: &EndpointId) -> Option<Vec<KnownAddress>> {
        let table = self.lock();
        let known = table.peers.get(id)?.addresses.iter();
        Some(known.map(|&(address, count)| KnownAddress { address, active: count > 0 }).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Table {
    fn make_room(&mut self) {
        // A few looks at a time: a table full of busy peers is bounded by `max_connections` and not worth a walk for
        // every connection.
        for _ in 0..self.order.len().min(LOOKS) {
            if self.peers.len() < REMEMBERED {
                return;
            }
            let Some(oldest) = self.order.pop_front() else { return };
            let busy = self
                .peers
                .get(&oldest)
                .is_some_and(|peer| peer.addresses.iter().any(|(_, n)| *n > 0));
            if busy {
                self.order.push_back(oldest);
            } else {
                self.peers.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gaiwan_base::SecretKey;

    use super::*;

    #[test]
    fn an_address_is_active_while_a_connection_uses_it() {
        let peers = Peers::default();
        let id = SecretKey::from_bytes(&[7; 32]).id();
        let address: SocketAddr = ([127, 0, 0, 1], 9).into();
        assert_eq!(peers.get(&id), None);
        peers.opened(id, address);
        peers.opened(id, address);
        peers.closed(id, address);
        assert_eq!(peers.get(&id), Some(vec![KnownAddress { address, active: true }]));
        peers.closed(id, address);
        assert_eq!(peers.get(&id), Some(vec![KnownAddress { address, active: false }]));
    }

    fn id(n: usize) -> EndpointId {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        SecretKey::from_bytes(&seed).id()
    }

    #[test]
    fn a_peer_with_many_addresses_leaves_16_behind() {
        let (peers, id) = (Peers::default(), id(0));
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        for port in 1..=1000 {
            peers.opened(id, address(port));
        }
        assert_eq!(peers.get(&id).unwrap().len(), 1000, "what is in use is known");
        for port in 1..=1000 {
            peers.closed(id, address(port));
        }
        let left = peers.get(&id).unwrap();
        assert_eq!(left.len(), ADDRESSES);
        assert_eq!(left[0], KnownAddress { address: address(1000), active: false });
    }

    #[test]
    fn strangers_do_not_fill_the_table_nor_push_out_who_is_connected() {
        let (peers, address) = (Peers::default(), ([127, 0, 0, 1], 9).into());
        peers.opened(id(0), address);
        for n in 1..=REMEMBERED + 50 {
            peers.opened(id(n), address);
            peers.closed(id(n), address);
        }
        assert_eq!(peers.lock().peers.len(), REMEMBERED);
        assert_eq!(peers.lock().order.len(), REMEMBERED);
        assert!(peers.get(&id(0)).unwrap()[0].active);
        assert_eq!(peers.get(&id(1)), None);
        // One that was forgotten and ends late is no trouble.
        peers.closed(id(1), address);
    }
}
