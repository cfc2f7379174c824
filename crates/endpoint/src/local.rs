//! Which socket a datagram came to, written down where quinn keeps a local address.
//!
//! quinn answers from the local IP address that a peer used, and knows of no ports. With several sockets that is not
//! enough: two may share an address. So the local address that quinn sees names the socket, and is read back when it
//! sends. A wildcard IPv6 socket has no room for that and keeps the real address; whatever has none is its.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first half of a name: a unique local prefix (RFC 4193) that is on no wire.
const PREFIX: [u8; 8] = *b"\xfdgaiwan\0";

/// A socket by its place in the list of wanted ones, and for a wildcard the IPv4 address that the datagram came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) place: u16,
    pub(crate) ip: Option<Ipv4Addr>,
}

impl Local {
    /// What quinn gets to see.
    pub(crate) fn to_ip(self) -> IpAddr {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&PREFIX);
        bytes[8..10].copy_from_slice(&self.place.to_be_bytes());
        if let Some(ip) = self.ip {
            bytes[11] = 1;
            bytes[12..].copy_from_slice(&ip.octets());
        }
        Ipv6Addr::from(bytes).into()
    }

    /// Reads it back; `None` for a real address.
    pub(crate) fn from_ip(ip: IpAddr) -> Option<Self> {
        let IpAddr::V6(ip) = ip else { return None };
        let bytes = ip.octets();
        let rest = bytes.strip_prefix(&PREFIX)?;
        let [high, low, _, wildcard, a, b, c, d] = rest.try_into().ok()?;
        let ip = (wildcard == 1).then(|| Ipv4Addr::new(a, b, c, d));
        Some(Self { place: u16::from_be_bytes([high, low]), ip })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_read_back_and_a_real_address_is_none() {
        for place in [0, 1, 255, u16::MAX] {
            for ip in [None, Some(Ipv4Addr::UNSPECIFIED), Some(Ipv4Addr::new(10, 1, 2, 3))] {
                let local = Local { place, ip };
                assert_eq!(Local::from_ip(local.to_ip()), Some(local));
            }
        }
        for text in ["127.0.0.1", "::", "::1", "::ffff:10.0.0.1", "fd67::1", "2001:db8::1"] {
            assert_eq!(Local::from_ip(text.parse().unwrap()), None, "{text}");
        }
    }
}
