//! An id and the ways to reach it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use iroh_base::{CustomAddr, RelayUrl, TransportAddr};

use crate::{EndpointId, KeyError};

/// Most transport addresses that one [`EndpointAddr`] made of a record or ticket can have.
pub const MAX_ADDRS: usize = 128;

/// Why a record is no address. Says which field is malformed and what it accepts; quotes nothing,
/// since a relay URL may carry a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddrError {
    /// The id is malformed.
    #[error("id: {0}")]
    Id(#[from] KeyError),
    /// An entry of `addresses` is malformed.
    #[error("addresses[{0}]: expected 'ip:port' or '[v6]:port'")]
    Address(usize),
    /// An entry of `relayUrls` is malformed.
    #[error(
        "relayUrls[{0}]: expected a URL with scheme and host, such as 'https://relay.example./'"
    )]
    RelayUrl(usize),
    /// An entry of `customAddresses` is malformed.
    #[error(
        "customAddresses[{0}]: expected '<id hex>_<data hex>' in lowercase, without leading zeros of the id"
    )]
    CustomAddress(usize),
    /// More than [`MAX_ADDRS`] entries.
    #[error("{0} addresses, relay URLs and custom addresses, the limit is {MAX_ADDRS}")]
    TooMany(usize),
}

/// An address as strings, the shape in which it crosses to JavaScript.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddrRecord {
    /// Hex or base32 when read, lowercase hex when written.
    pub id: String,
    /// `ip:port` or `[v6]:port`, with `%zone` (a number) where there is one.
    pub addresses: Vec<String>,
    /// Relay URLs; in normal form when written.
    pub relay_urls: Vec<String>,
    /// `<id hex>_<data hex>`; transports that gaiwan keeps and does not dial.
    pub custom_addresses: Vec<String>,
}

/// An id and an ordered set of transport addresses.
///
/// The order is that of iroh-base 1.4.1 (`src/endpoint_addr.rs`): relay URLs by their string, then
/// IPv4 and IPv6 by address and port, then custom addresses. Duplicates collapse.
///
/// ```
/// use gaiwan_base::{EndpointAddr, SecretKey};
///
/// let mut addr = EndpointAddr::new(SecretKey::from_bytes(&[7; 32]).id());
/// addr.insert_ip("127.0.0.1:4433".parse().unwrap());
/// assert_eq!(addr.to_record().addresses, ["127.0.0.1:4433"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndpointAddr(iroh_base::EndpointAddr);

impl EndpointAddr {
    /// An id that nobody told an address of.
    pub fn new(id: EndpointId) -> Self {
        Self(iroh_base::EndpointAddr::new(id.into()))
    }

    /// Reads a record; entries may come in any order and repeat.
    ///
    /// Fails with the first malformed field, or [`AddrError::TooMany`] before reading any.
    pub fn from_record(record: &AddrRecord) -> Result<Self, AddrError> {
        let AddrRecord { id, addresses, relay_urls, custom_addresses } = record;
        let count = addresses.len() + relay_urls.len() + custom_addresses.len();
        if count > MAX_ADDRS {
            return Err(AddrError::TooMany(count));
        }
        let mut addr = Self::new(EndpointId::parse(id)?);
        for (at, text) in addresses.iter().enumerate() {
            addr.insert_ip(text.parse().map_err(|_| AddrError::Address(at))?);
        }
        for (at, text) in relay_urls.iter().enumerate() {
            addr.insert(
                parse_relay_url(text).map(TransportAddr::Relay).ok_or(AddrError::RelayUrl(at))?,
            );
        }
        for (at, text) in custom_addresses.iter().enumerate() {
            addr.insert(
                parse_custom(text)
                    .map(TransportAddr::Custom)
                    .ok_or(AddrError::CustomAddress(at))?,
            );
        }
        Ok(addr)
    }

    /// Writes the record: normal forms, sorted, each entry once.
    pub fn to_record(&self) -> AddrRecord {
        AddrRecord {
            id: self.id().to_hex(),
            addresses: self.ip_addrs().map(|addr| addr.to_string()).collect(),
            relay_urls: self.relay_urls().map(|url| url.to_string()).collect(),
            custom_addresses: self.custom_addrs().map(|addr| addr.to_string()).collect(),
        }
    }

    /// Who is reached.
    pub fn id(&self) -> EndpointId {
        self.0.id.into()
    }

    /// All transport addresses in their order.
    pub fn addrs(&self) -> &BTreeSet<TransportAddr> {
        &self.0.addrs
    }

    /// Adds a transport address; answers whether it is new.
    pub fn insert(&mut self, addr: TransportAddr) -> bool {
        self.0.addrs.insert(addr)
    }

    /// Adds an IP address; answers whether it is new.
    pub fn insert_ip(&mut self, addr: SocketAddr) -> bool {
        self.insert(TransportAddr::Ip(addr))
    }

    /// The IP addresses, IPv4 first.
    pub fn ip_addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.ip_addrs().copied()
    }

    /// The relays by their URL.
    pub fn relay_urls(&self) -> impl Iterator<Item = &RelayUrl> + '_ {
        self.0.relay_urls()
    }

    /// The addresses of other transports.
    pub fn custom_addrs(&self) -> impl Iterator<Item = &CustomAddr> + '_ {
        self.addrs().iter().filter_map(|addr| match addr {
            TransportAddr::Custom(addr) => Some(addr),
            _ => None,
        })
    }

    /// The same without link-local IPv6 addresses (`fe80::/10`). Outside this host they mean
    /// nothing without their zone, and neither a ticket nor DNS can carry that.
    pub fn without_link_local(&self) -> Self {
        let mut addr = self.clone();
        addr.0.addrs.retain(|addr| match addr {
            TransportAddr::Ip(addr) => match addr.ip() {
                IpAddr::V6(ip) => !ip.is_unicast_link_local(),
                IpAddr::V4(_) => true,
            },
            _ => true,
        });
        addr
    }
}

impl From<EndpointId> for EndpointAddr {
    fn from(id: EndpointId) -> Self {
        Self::new(id)
    }
}

impl From<iroh_base::EndpointAddr> for EndpointAddr {
    fn from(addr: iroh_base::EndpointAddr) -> Self {
        Self(addr)
    }
}

impl From<EndpointAddr> for iroh_base::EndpointAddr {
    fn from(addr: EndpointAddr) -> Self {
        addr.0
    }
}

impl AsRef<iroh_base::EndpointAddr> for EndpointAddr {
    fn as_ref(&self) -> &iroh_base::EndpointAddr {
        &self.0
    }
}

/// Brings a URL to the normal form of WHATWG. Asks for a host as well, since `relay.example:443`
/// is a URL too, one of the scheme `relay.example`.
fn parse_relay_url(text: &str) -> Option<RelayUrl> {
    text.parse().ok().filter(|url: &RelayUrl| url.has_host())
}

/// Reads only what is printed again: iroh-base also takes `+` and upper case in the id.
fn parse_custom(text: &str) -> Option<CustomAddr> {
    text.parse().ok().filter(|addr: &CustomAddr| addr.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    fn record() -> AddrRecord {
        AddrRecord { id: SecretKey::from_bytes(&[42; 32]).id().to_hex(), ..AddrRecord::default() }
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| text.to_string()).collect()
    }

    #[test]
    fn a_record_comes_back_sorted_in_normal_form_and_without_duplicates() {
        let given = AddrRecord {
            id: SecretKey::from_bytes(&[42; 32]).id().to_base32().to_uppercase(),
            addresses: texts(&[
                "[2001:db8:0::1]:9",
                "10.0.0.2:1",
                "[fe80::1%7]:4433",
                "10.0.0.1:2",
                "10.0.0.1:1",
                "10.0.0.2:1",
            ]),
            relay_urls: texts(&[
                "https://B.example:443",
                "https://a.example./",
                "https://a.example",
            ]),
            custom_addresses: texts(&["544f52_a1b2c3", "0_", "544f52_a1"]),
        };
        let expected = AddrRecord {
            id: record().id,
            addresses: texts(&[
                "10.0.0.1:1",
                "10.0.0.1:2",
                "10.0.0.2:1",
                "[2001:db8::1]:9",
                "[fe80::1%7]:4433",
            ]),
            relay_urls: texts(&["https://a.example./", "https://a.example/", "https://b.example/"]),
            custom_addresses: texts(&["0_", "544f52_a1", "544f52_a1b2c3"]),
        };
        let addr = EndpointAddr::from_record(&given).unwrap();
        assert_eq!(addr.to_record(), expected);
        assert_eq!(EndpointAddr::from_record(&expected), Ok(addr));
    }

    #[test]
    fn an_error_names_the_field_and_the_entry() {
        let cases = [
            (AddrRecord { id: "x".into(), ..record() }, "id: "),
            (
                AddrRecord { addresses: texts(&["1.2.3.4:5", "1.2.3.4"]), ..record() },
                "addresses[1]: ",
            ),
            (AddrRecord { addresses: texts(&["example.com:1"]), ..record() }, "addresses[0]: "),
            (AddrRecord { addresses: texts(&["[::1]:65536"]), ..record() }, "addresses[0]: "),
            (AddrRecord { relay_urls: texts(&["relay.example"]), ..record() }, "relayUrls[0]: "),
            (
                AddrRecord { relay_urls: texts(&["relay.example:443"]), ..record() },
                "relayUrls[0]: ",
            ),
            (AddrRecord { relay_urls: texts(&["https://"]), ..record() }, "relayUrls[0]: "),
        ];
        for (record, start) in cases {
            let message = EndpointAddr::from_record(&record).unwrap_err().to_string();
            assert!(message.starts_with(start), "{message}");
        }
    }

    #[test]
    fn a_custom_address_has_one_spelling() {
        for text in [
            "",
            "_",
            "544f52",
            "_a1",
            "0544f52_a1",
            "+5_a1",
            "5_A1",
            "5_a",
            "AB_a1",
            "5_a1_",
            "10000000000000000_",
        ] {
            let record = AddrRecord { custom_addresses: texts(&[text]), ..record() };
            assert_eq!(
                EndpointAddr::from_record(&record),
                Err(AddrError::CustomAddress(0)),
                "{text}"
            );
        }
        let most = AddrRecord { custom_addresses: texts(&["ffffffffffffffff_00ff"]), ..record() };
        let addr = EndpointAddr::from_record(&most).unwrap();
        let custom = addr.custom_addrs().next().unwrap();
        assert_eq!((custom.id(), custom.data()), (u64::MAX, &[0, 0xff][..]));
    }

    #[test]
    fn a_record_can_have_128_entries_in_all() {
        let addresses = |count| (0..count).map(|port| format!("127.0.0.1:{port}")).collect();
        let relay_urls = texts(&["https://a.example/"]);
        let full =
            AddrRecord { addresses: addresses(127), relay_urls: relay_urls.clone(), ..record() };
        assert_eq!(EndpointAddr::from_record(&full).unwrap().addrs().len(), MAX_ADDRS);
        let over = AddrRecord { addresses: addresses(128), relay_urls, ..record() };
        assert_eq!(EndpointAddr::from_record(&over), Err(AddrError::TooMany(129)));
    }

    #[test]
    fn link_local_addresses_are_left_out_on_request_only() {
        let given = AddrRecord {
            addresses: texts(&["169.254.1.1:1", "[fe80::1]:1", "[fe80::1%7]:1", "[fec0::1]:1"]),
            ..record()
        };
        let addr = EndpointAddr::from_record(&given).unwrap();
        assert_eq!(addr.addrs().len(), 4);
        assert_eq!(
            addr.without_link_local().to_record().addresses,
            ["169.254.1.1:1", "[fec0::1]:1"]
        );
    }
}
