//! An address and what to ask for there, as one printable string.
//!
//! Text: `blob`, then base32 (RFC 4648, no padding, lowercase) of a postcard value, byte for byte as
//! iroh-blobs 0.104.0, `src/ticket.rs`:
//!
//! | Part | Bytes |
//! |---|---|
//! | variant | varint, 0 |
//! | endpoint id | 32 |
//! | relay | `00`, or `01`, length varint, URL |
//! | number of addresses | varint |
//! | IPv4 | `00`, 4 bytes, port varint |
//! | IPv6 | `01`, 16 bytes, port varint; no zone, no flow |
//! | format | varint, 0 raw, 1 hash sequence |
//! | hash | 32 |
//!
//! There is room for one relay, and none for other transports.

use std::{fmt, net::SocketAddr, str::FromStr};

use data_encoding::BASE32_NOPAD;
use gaiwan_base::{
    BlobFormat, EndpointAddr, EndpointId, Hash, HashAndFormat, MAX_ADDRS, MAX_TICKET_BYTES,
    RelayUrl, TransportAddr,
};

use super::wire::{Reader, WireError, put_varint};

/// What every ticket of a blob starts with.
const PREFIX: &str = "blob";

/// Why a text is no ticket, or an address cannot become one. Quotes nothing: whoever holds a ticket
/// can fetch the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobTicketError {
    /// Not `blob` in lowercase at the start.
    #[error("a ticket of a blob starts with 'blob'")]
    Prefix,
    /// Over [`MAX_TICKET_BYTES`].
    #[error("a ticket has at most {MAX_TICKET_BYTES} characters")]
    TooLong,
    /// More than [`MAX_ADDRS`] addresses.
    #[error("a ticket has at most {MAX_ADDRS} addresses")]
    TooMany,
    /// What follows the prefix is not base32 without padding.
    #[error("the ticket is not base32 after its prefix")]
    Base32,
    /// A variant, a kind of address or a format that does not exist.
    #[error("the ticket is of an unknown version")]
    Unknown,
    /// The endpoint id is not a point of the curve.
    #[error("the ticket names an endpoint that cannot exist")]
    EndpointId,
    /// The relay is no URL with a host.
    #[error("the ticket names a relay without a URL")]
    RelayUrl,
    /// Cut short, or a malformed number.
    #[error("the ticket is damaged")]
    Malformed,
}

impl From<WireError> for BlobTicketError {
    fn from(_: WireError) -> Self {
        Self::Malformed
    }
}

/// Whom to ask for which blob. `Display` gives the text, `parse` reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobTicket {
    addr: EndpointAddr,
    content: HashAndFormat,
}

impl BlobTicket {
    /// Keeps of `addr` what a ticket can carry: the id, the first relay, the IP addresses that mean
    /// something outside this host (see [`EndpointAddr::without_link_local`]).
    ///
    /// Fails with [`BlobTicketError::TooMany`] or [`BlobTicketError::TooLong`] where
    /// [`BlobTicket::decode`] would.
    pub fn new(addr: &EndpointAddr, content: HashAndFormat) -> Result<Self, BlobTicketError> {
        let given = addr.without_link_local();
        let mut addr = EndpointAddr::new(given.id());
        given.relay_urls().take(1).for_each(|url| {
            addr.insert(TransportAddr::Relay(url.clone()));
        });
        given.ip_addrs().for_each(|ip| {
            addr.insert_ip(ip);
        });
        if addr.addrs().len() > MAX_ADDRS {
            return Err(BlobTicketError::TooMany);
        }
        let ticket = Self { addr, content };
        if ticket.encode().len() > MAX_TICKET_BYTES {
            return Err(BlobTicketError::TooLong);
        }
        Ok(ticket)
    }

    /// Who has it.
    pub fn addr(&self) -> &EndpointAddr {
        &self.addr
    }

    /// What to ask for.
    pub fn content(&self) -> HashAndFormat {
        self.content
    }

    /// Writes the ticket; addresses are sorted, IPv4 first.
    pub fn encode(&self) -> String {
        let mut text = BASE32_NOPAD.encode(&self.to_bytes());
        text.make_ascii_lowercase();
        text.insert_str(0, PREFIX);
        text
    }

    /// Reads a ticket. The prefix is lowercase, the rest may have either case. Bytes after the hash
    /// are ignored, and addresses may repeat and come in any order, as in the reference.
    ///
    /// Fails with any [`BlobTicketError`]; the limits are checked before anything is allocated for
    /// what they limit.
    pub fn decode(text: &str) -> Result<Self, BlobTicketError> {
        if text.len() > MAX_TICKET_BYTES {
            return Err(BlobTicketError::TooLong);
        }
        let body = text.strip_prefix(PREFIX).ok_or(BlobTicketError::Prefix)?;
        let bytes = BASE32_NOPAD
            .decode(body.to_ascii_uppercase().as_bytes())
            .map_err(|_| BlobTicketError::Base32)?;
        Self::from_bytes(&bytes)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0];
        out.extend_from_slice(self.addr.id().as_bytes());
        match self.addr.relay_urls().next() {
            None => out.push(0),
            Some(url) => {
                out.push(1);
                put_varint(&mut out, url.as_str().len() as u64);
                out.extend_from_slice(url.as_str().as_bytes());
            }
        }
        put_varint(&mut out, self.addr.ip_addrs().count() as u64);
        for ip in self.addr.ip_addrs() {
            match ip {
                SocketAddr::V4(ip) => {
                    out.push(0);
                    out.extend_from_slice(&ip.ip().octets());
                }
                SocketAddr::V6(ip) => {
                    out.push(1);
                    out.extend_from_slice(&ip.ip().octets());
                }
            }
            put_varint(&mut out, ip.port().into());
        }
        out.push(self.content.format.to_byte());
        out.extend_from_slice(self.content.hash.as_bytes());
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, BlobTicketError> {
        let reader = &mut Reader::new(bytes);
        if reader.variant()? != 0 {
            return Err(BlobTicketError::Unknown);
        }
        let id = EndpointId::from_bytes(&reader.array()?);
        let mut addr = EndpointAddr::new(id.map_err(|_| BlobTicketError::EndpointId)?);
        match reader.byte()? {
            0 => {}
            1 => {
                addr.insert(TransportAddr::Relay(take_relay(reader)?));
            }
            _ => return Err(BlobTicketError::Malformed),
        }
        let count = reader.varint()?;
        if count.saturating_add(addr.addrs().len() as u64) > MAX_ADDRS as u64 {
            return Err(BlobTicketError::TooMany);
        }
        for _ in 0..count {
            addr.insert_ip(take_ip(reader)?);
        }
        let format = u8::try_from(reader.variant()?).ok().and_then(BlobFormat::from_byte);
        let format = format.ok_or(BlobTicketError::Unknown)?;
        let hash = Hash::from_bytes(reader.array()?);
        Ok(Self { addr, content: HashAndFormat { hash, format } })
    }
}

fn take_relay(reader: &mut Reader<'_>) -> Result<RelayUrl, BlobTicketError> {
    let length = reader.count(1)?;
    let text = str::from_utf8(reader.take(length)?).map_err(|_| BlobTicketError::RelayUrl)?;
    let url: RelayUrl = text.parse().map_err(|_| BlobTicketError::RelayUrl)?;
    // `relay.example:443` is a URL too, one of the scheme `relay.example`.
    if url.has_host() { Ok(url) } else { Err(BlobTicketError::RelayUrl) }
}

fn take_ip(reader: &mut Reader<'_>) -> Result<SocketAddr, BlobTicketError> {
    match reader.variant()? {
        0 => Ok((reader.array::<4>()?, reader.varint_u16()?).into()),
        1 => Ok((reader.array::<16>()?, reader.varint_u16()?).into()),
        _ => Err(BlobTicketError::Unknown),
    }
}

impl fmt::Display for BlobTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode())
    }
}

impl FromStr for BlobTicket {
    type Err = BlobTicketError;

    /// The same as [`BlobTicket::decode`].
    fn from_str(text: &str) -> Result<Self, BlobTicketError> {
        Self::decode(text)
    }
}

#[cfg(test)]
mod tests {
    use gaiwan_base::{CustomAddr, SecretKey};
    use proptest::prelude::*;

    use super::*;

    fn addr() -> EndpointAddr {
        EndpointAddr::new(SecretKey::from_bytes(&[42; 32]).id())
    }

    fn content() -> HashAndFormat {
        HashAndFormat::hash_seq(Hash::EMPTY)
    }

    /// Addresses on one host, of ports from 1 on.
    fn addr_with(ports: u16) -> EndpointAddr {
        let mut addr = addr();
        (1..=ports).for_each(|port| {
            addr.insert_ip(([192, 0, 2, 1], port).into());
        });
        addr
    }

    fn relay(url: &str) -> TransportAddr {
        TransportAddr::Relay(url.parse().unwrap())
    }

    fn text_of(bytes: &[u8]) -> String {
        format!("{PREFIX}{}", BASE32_NOPAD.encode(bytes).to_lowercase())
    }

    /// A ticket whose part between the id and the format is `middle`.
    fn text_with(middle: &[u8]) -> String {
        let id = addr().id();
        text_of(&[&[0], &id.as_bytes()[..], middle, &[1], Hash::EMPTY.as_ref()].concat())
    }

    #[test]
    fn a_ticket_carries_the_first_relay_and_all_ips_and_nothing_else() {
        let mut given = addr_with(2);
        given.insert(relay("https://b.example./"));
        given.insert(relay("https://a.example./"));
        given.insert(TransportAddr::Custom(CustomAddr::from_parts(1, &[2])));
        given.insert_ip("[fe80::1%7]:4433".parse().unwrap());
        let mut kept = addr_with(2);
        kept.insert(relay("https://a.example./"));
        let ticket = BlobTicket::new(&given, content()).unwrap();
        assert_eq!((ticket.addr(), ticket.content()), (&kept, content()));
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }

    #[test]
    fn the_prefix_is_lowercase_and_the_rest_is_of_either_case() {
        let ticket = BlobTicket::new(&addr_with(1), content()).unwrap();
        let text = ticket.encode();
        assert_eq!(BlobTicket::decode(&format!("blob{}", text[4..].to_uppercase())), Ok(ticket));
        assert_eq!(BlobTicket::decode(&text.to_uppercase()), Err(BlobTicketError::Prefix));
    }

    #[test]
    fn leftover_bytes_are_ignored_and_addresses_are_sorted() {
        let middle = [&[0, 3][..], &[0, 192, 0, 2, 1, 2], &[0, 192, 0, 2, 1, 1]].concat();
        let middle = [&middle[..], &[0, 192, 0, 2, 1, 2]].concat();
        let mut bytes =
            BASE32_NOPAD.decode(text_with(&middle)[4..].to_uppercase().as_bytes()).unwrap();
        bytes.extend([1, 2, 3]);
        let ticket = BlobTicket::decode(&text_of(&bytes)).unwrap();
        assert_eq!(Ok(ticket), BlobTicket::new(&addr_with(2), content()));
    }

    #[test]
    fn g9_a_text_of_another_kind_is_refused() {
        let text = BlobTicket::new(&addr(), content()).unwrap().encode();
        let cases = [
            (String::new(), BlobTicketError::Prefix),
            ("blo".into(), BlobTicketError::Prefix),
            (text.replacen("blob", "endpoint", 1), BlobTicketError::Prefix),
            (format!(" {text}"), BlobTicketError::Prefix),
            (format!("{text}1"), BlobTicketError::Base32),
            (format!("{text}="), BlobTicketError::Base32),
            ("blobé".into(), BlobTicketError::Base32),
            ("blob".into(), BlobTicketError::Malformed),
            ("x".repeat(10 << 20), BlobTicketError::TooLong),
            (format!("blob{}", "a".repeat(10 << 20)), BlobTicketError::TooLong),
        ];
        for (text, error) in cases {
            assert_eq!(BlobTicket::decode(&text), Err(error), "{:.40}", text);
        }
    }

    #[test]
    fn g9_an_unknown_variant_kind_or_format_is_refused() {
        let mut bytes = [&[0], &addr().id().as_bytes()[..], &[0, 0, 2], &[0; 32]].concat();
        assert_eq!(BlobTicket::decode(&text_of(&bytes)), Err(BlobTicketError::Unknown));
        bytes[0] = 1;
        assert_eq!(BlobTicket::decode(&text_of(&bytes)), Err(BlobTicketError::Unknown));
        let kind = text_with(&[0, 1, 2, 0, 0, 0, 0, 0]);
        assert_eq!(BlobTicket::decode(&kind), Err(BlobTicketError::Unknown));
        let option = text_with(&[2, 0]);
        assert_eq!(BlobTicket::decode(&option), Err(BlobTicketError::Malformed));
    }

    #[test]
    fn g9_thousands_of_addresses_are_refused_both_ways() {
        let full = BlobTicket::new(&addr_with(128), content()).unwrap();
        assert_eq!(full.encode().parse(), Ok(full));
        let over = BlobTicket::new(&addr_with(129), content());
        assert_eq!(over, Err(BlobTicketError::TooMany));
        let entry = [0, 127, 0, 0, 1, 1];
        let over = text_with(&[&[0, 0x81, 1][..], &entry.repeat(129)].concat());
        assert_eq!(BlobTicket::decode(&over), Err(BlobTicketError::TooMany));
        let claim = text_with(&[&[0][..], &[0xff; 9], &[1]].concat());
        assert_eq!(BlobTicket::decode(&claim), Err(BlobTicketError::TooMany));
        let port = text_with(&[0, 1, 0, 127, 0, 0, 1, 0x80, 0x80, 4]);
        assert_eq!(BlobTicket::decode(&port), Err(BlobTicketError::Malformed));
    }

    #[test]
    fn g9_an_id_that_is_no_point_is_refused() {
        let bytes = [&[0], &[2; 32][..], &[0, 0, 0], &[0; 32]].concat();
        assert!(EndpointId::from_bytes(&[2; 32]).is_err());
        assert_eq!(BlobTicket::decode(&text_of(&bytes)), Err(BlobTicketError::EndpointId));
    }

    #[test]
    fn g9_a_relay_that_is_no_url_with_a_host_is_refused() {
        for url in [&b"relay"[..], b"relay.example:443", b"", b"http://", b"\xff\xfe"] {
            let middle = [&[1, url.len() as u8][..], url, &[0]].concat();
            let text = text_with(&middle);
            assert_eq!(BlobTicket::decode(&text), Err(BlobTicketError::RelayUrl), "{url:?}");
        }
        let long = text_with(&[1, 0xff, 0x7f, b'h']);
        assert_eq!(BlobTicket::decode(&long), Err(BlobTicketError::Malformed));
        let mut addr = addr();
        addr.insert(relay(&format!("https://a.example/{}", "x".repeat(MAX_TICKET_BYTES))));
        assert_eq!(BlobTicket::new(&addr, content()), Err(BlobTicketError::TooLong));
    }

    #[test]
    fn g9_every_cut_of_a_ticket_is_refused() {
        let mut addr = addr_with(2);
        addr.insert(relay("https://a.example./"));
        addr.insert_ip("[2001:db8::1]:4433".parse().unwrap());
        let bytes = BlobTicket::new(&addr, content()).unwrap().to_bytes();
        for length in 0..bytes.len() {
            let text = text_of(&bytes[..length]);
            assert_eq!(BlobTicket::decode(&text), Err(BlobTicketError::Malformed), "{length}");
        }
        assert_eq!(BlobTicket::from_bytes(&bytes).unwrap().addr(), &addr);
    }

    proptest! {
        #[test]
        fn a_ticket_comes_back(
            seed: [u8; 32], hash: [u8; 32], raw: bool, v4: Vec<(u32, u16)>, v6: Vec<(u128, u16)>,
        ) {
            let mut addr = EndpointAddr::new(SecretKey::from_bytes(&seed).id());
            for (ip, port) in v4.into_iter().take(60) {
                addr.insert_ip((std::net::Ipv4Addr::from(ip), port).into());
            }
            for (ip, port) in v6.into_iter().take(60) {
                addr.insert_ip((std::net::Ipv6Addr::from(ip), port).into());
            }
            let hash = Hash::from(hash);
            let content = if raw { HashAndFormat::raw(hash) } else { HashAndFormat::hash_seq(hash) };
            let ticket = BlobTicket::new(&addr, content).unwrap();
            prop_assert_eq!(ticket.addr(), &addr.without_link_local());
            prop_assert_eq!(ticket.encode().parse(), Ok(ticket));
        }

        #[test]
        fn g9_random_bytes_after_an_id_are_read_or_refused(rest: Vec<u8>) {
            let bytes = [&[0], &addr().id().as_bytes()[..], &rest].concat();
            if let Ok(ticket) = BlobTicket::decode(&text_of(&bytes)) {
                prop_assert_eq!(ticket.encode().parse(), Ok(ticket));
            }
        }
    }
}
