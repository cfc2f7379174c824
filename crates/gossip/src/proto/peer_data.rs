//! How to reach a peer, as it travels in Join, Neighbor and Shuffle.
//!
//! Postcard of a relay URL and an ordered set of socket addresses: `AddrInfo` of iroh-gossip 0.101, `src/net.rs`. Flow
//! info and scope of an IPv6 address are not carried.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::wire::{Malformed, Reader, put_block, put_varint};

/// Bytes of our own peer data, so that a Shuffle of 8 nodes fits the default frame.
pub const OWN: usize = 400;
/// Addresses of one peer that are looked at.
pub const ADDRESSES: usize = 16;

/// What a peer tells about its place in the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerData {
    /// The first relay, its URL as normalized text. Foreign text: nothing is fetched from it.
    pub relay_url: Option<String>,
    /// Direct addresses.
    pub addresses: Vec<SocketAddr>,
}

impl PeerData {
    /// The bytes, IPv4 first, then by octets and port, each address once.
    pub fn encode(&self) -> Vec<u8> {
        let mut addresses = self.addresses.clone();
        addresses.sort_unstable_by_key(|a| (a.is_ipv6(), a.ip(), a.port()));
        addresses.dedup_by_key(|a| (a.ip(), a.port()));
        let mut out = Vec::new();
        match &self.relay_url {
            None => out.push(0),
            Some(url) => {
                out.push(1);
                put_block(&mut out, url.as_bytes());
            }
        }
        put_varint(&mut out, addresses.len());
        for address in addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    out.push(0);
                    out.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.push(1);
                    out.extend_from_slice(&ip.octets());
                }
            }
            put_varint(&mut out, address.port().into());
        }
        out
    }

    /// As [`PeerData::encode`], leaving addresses out from the end, then the relay, until it has at most [`OWN`] bytes.
    pub fn encode_short(mut self) -> Vec<u8> {
        loop {
            let bytes = self.encode();
            if bytes.len() <= OWN {
                return bytes;
            }
            if self.addresses.pop().is_none() {
                self.relay_url = None;
            }
        }
    }

    /// Reads the bytes; none at all means no address. What follows is ignored, as postcard does.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader::new(bytes);
        let relay_url = if reader.flag()? {
            let text = std::str::from_utf8(reader.block()?).map_err(|_| Malformed)?;
            Some(text.to_owned())
        } else {
            None
        };
        let mut addresses = Vec::new();
        for _ in 0..reader.length()? {
            let ip = match reader.tag()? {
                0 => IpAddr::V4(Ipv4Addr::from(reader.array::<4>()?)),
                1 => IpAddr::V6(Ipv6Addr::from(reader.array::<16>()?)),
                _ => return Err(Malformed),
            };
            let address = SocketAddr::new(ip, reader.u16()?);
            if addresses.len() < ADDRESSES {
                addresses.push(address);
            }
        }
        Ok(Self { relay_url, addresses })
    }
}

/// Whether an address that a third party named may be dialed. A loopback or link-local one only means something if we
/// are there too.
pub fn may_dial(address: &SocketAddr, ours: &[IpAddr]) -> bool {
    let ip = address.ip().to_canonical();
    if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
        return false;
    }
    match ip {
        IpAddr::V4(ip) if ip.is_broadcast() => false,
        _ if is_local(&ip) => ours.iter().any(|own| is_local(&own.to_canonical())),
        _ => true,
    }
}

/// Loopback or link-local.
fn is_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_data_stays_short() {
        let addresses = (0..100).map(|n| SocketAddr::from(([0xfe00 + n; 8], 4433))).collect();
        let relay_url = Some("https://relay.example.org./".to_owned());
        let bytes = PeerData { relay_url, addresses }.encode_short();
        assert!(bytes.len() <= OWN && bytes.len() > OWN - 20, "{}", bytes.len());
        let read = PeerData::decode(&bytes).expect("our own bytes");
        assert_eq!(read.addresses.len(), ADDRESSES);
        let relay_url = Some("x".repeat(500));
        assert_eq!(PeerData { relay_url, addresses: Vec::new() }.encode_short(), [0, 0]);
    }

    #[test]
    fn addresses_of_third_parties_are_looked_at_before_they_are_dialed() {
        let (public, loopback) = (["192.0.2.7".parse().unwrap()], ["127.0.0.1".parse().unwrap()]);
        for refused in [
            "0.0.0.0:1",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "192.0.2.1:0",
            "[::]:1",
            "[ff02::1]:1",
            "[::ffff:255.255.255.255]:1",
        ] {
            assert!(!may_dial(&refused.parse().unwrap(), &loopback), "{refused}");
        }
        for local in
            ["127.0.0.1:1", "[::1]:1", "169.254.1.1:1", "[fe80::1]:1", "[::ffff:127.0.0.1]:1"]
        {
            assert!(!may_dial(&local.parse().unwrap(), &public), "{local}");
            assert!(may_dial(&local.parse().unwrap(), &loopback), "{local}");
        }
        assert!(may_dial(&"192.0.2.1:1".parse().unwrap(), &public));
    }
}
