//! An address as one printable string.
//!
//! Text: `endpoint`, then base32 (RFC 4648, no padding) of a postcard value, byte for byte as
//! iroh-tickets 1.0.0, `src/endpoint.rs`:
//!
//! | Part | Bytes |
//! |---|---|
//! | variant | varint, 0 |
//! | id | 32 |
//! | number of entries | varint |
//! | relay | `00`, length varint, URL |
//! | IPv4 | `01 00`, 4 bytes, port varint |
//! | IPv6 | `01 01`, 16 bytes, port varint; no zone, no flow |
//! | custom | `02`, transport varint, length varint, data |

use data_encoding::BASE32_NOPAD;
use iroh_base::TransportAddr;
use iroh_tickets::{Ticket, endpoint::EndpointTicket};

use crate::{EndpointAddr, EndpointId, addr::MAX_ADDRS};

/// Most bytes of text that a ticket can have.
pub const MAX_TICKET_BYTES: usize = 16 * 1024;

/// Why a text is no ticket, or an address cannot become one. Quotes nothing: whoever holds a
/// ticket can dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// Not `endpoint` in lowercase at the start.
    #[error("a ticket of an endpoint starts with 'endpoint'")]
    Prefix,
    /// Over [`MAX_TICKET_BYTES`].
    #[error("a ticket has at most {MAX_TICKET_BYTES} characters")]
    TooLong,
    /// More than [`MAX_ADDRS`] entries.
    #[error("a ticket has at most {MAX_ADDRS} addresses")]
    TooMany,
    /// What follows the prefix is not base32 without padding.
    #[error("the ticket is not base32 after its prefix")]
    Base32,
    /// The bytes are cut short, of an unknown kind, or hold a malformed id, port or URL.
    #[error("the ticket is damaged or of an unknown version")]
    Malformed,
}

/// Writes `addr` as a ticket. Link-local IPv6 addresses are left out, see
/// [`EndpointAddr::without_link_local`].
///
/// Fails with [`TicketError::TooMany`] or [`TicketError::TooLong`] where [`decode_ticket`] would.
pub fn encode_ticket(addr: &EndpointAddr) -> Result<String, TicketError> {
    let addr = addr.without_link_local();
    if addr.addrs().len() > MAX_ADDRS {
        return Err(TicketError::TooMany);
    }
    let text = EndpointTicket::new(addr.into()).encode_string();
    if text.len() > MAX_TICKET_BYTES {
        return Err(TicketError::TooLong);
    }
    Ok(text)
}

/// Reads a ticket. The prefix is lowercase, the rest may have either case. Bytes after the last
/// entry are ignored, and entries may repeat and come in any order, as in the reference.
///
/// Fails with any [`TicketError`]; the limits are checked before anything is allocated for entries.
pub fn decode_ticket(text: &str) -> Result<EndpointAddr, TicketError> {
    if text.len() > MAX_TICKET_BYTES {
        return Err(TicketError::TooLong);
    }
    let body = text.strip_prefix(EndpointTicket::KIND).ok_or(TicketError::Prefix)?;
    let bytes = BASE32_NOPAD
        .decode(body.to_ascii_uppercase().as_bytes())
        .map_err(|_| TicketError::Base32)?;
    if claimed_entries(&bytes).ok_or(TicketError::Malformed)? > MAX_ADDRS as u64 {
        return Err(TicketError::TooMany);
    }
    let ticket = EndpointTicket::decode_bytes(&bytes).map_err(|_| TicketError::Malformed)?;
    let has_host = |addr: &TransportAddr| match addr {
        TransportAddr::Relay(url) => url.has_host(),
        _ => true,
    };
    if !ticket.endpoint_addr().addrs.iter().all(has_host) {
        return Err(TicketError::Malformed);
    }
    Ok(iroh_base::EndpointAddr::from(ticket).into())
}

/// How many entries the bytes announce; `None` if they end before the number does.
fn claimed_entries(bytes: &[u8]) -> Option<u64> {
    let (_variant, rest) = split_varint(bytes)?;
    let (count, _entries) = split_varint(rest.get(EndpointId::LENGTH..)?)?;
    Some(count)
}

/// Splits a postcard varint (LEB128, at most 10 bytes) off; bits above the 64th are dropped, which
/// can only make a number that the real decoder refuses anyway.
fn split_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let last = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let (varint, rest) = bytes.split_at(last + 1);
    let value = varint.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AddrRecord, SecretKey};

    fn addr(ports: u16) -> EndpointAddr {
        let mut addr = EndpointAddr::new(SecretKey::from_bytes(&[42; 32]).id());
        for port in 0..ports {
            addr.insert_ip(([127, 0, 0, 1], port).into());
        }
        addr
    }

    fn ticket_of(bytes: &[u8]) -> String {
        format!("endpoint{}", BASE32_NOPAD.encode(bytes).to_lowercase())
    }

    /// Variant and id, then `rest`.
    fn ticket_with(rest: &[u8]) -> String {
        ticket_of(&[&[0], &addr(0).id().as_bytes()[..], rest].concat())
    }

    #[test]
    fn sizes_are_those_of_the_format() {
        assert_eq!(encode_ticket(&addr(0)).unwrap().len(), 63);
        assert_eq!(encode_ticket(&addr(1)).unwrap().len(), 74);
    }

    #[test]
    fn a_ticket_has_at_most_128_entries_both_ways() {
        let full = encode_ticket(&addr(128)).unwrap();
        assert_eq!(decode_ticket(&full), Ok(addr(128)));
        assert_eq!(encode_ticket(&addr(129)), Err(TicketError::TooMany));
        let entry = [1, 0, 127, 0, 0, 1, 1];
        let over = ticket_with(&[&[0x81, 1][..], &entry.repeat(129)].concat());
        assert_eq!(decode_ticket(&over), Err(TicketError::TooMany));
        let same = ticket_with(&[&[0x80, 1][..], &entry.repeat(128)].concat());
        assert_eq!(decode_ticket(&same).unwrap().addrs().len(), 1);
    }

    #[test]
    fn a_count_written_too_long_is_still_counted() {
        let mut bytes = vec![0x80, 0];
        bytes.extend_from_slice(addr(0).id().as_bytes());
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(decode_ticket(&ticket_of(&bytes)), Err(TicketError::TooMany));
    }

    #[test]
    fn text_over_16_kib_is_refused_both_ways() {
        let long = format!("endpoint{}", "a".repeat(MAX_TICKET_BYTES));
        assert_eq!(decode_ticket(&long), Err(TicketError::TooLong));
        let record = AddrRecord {
            relay_urls: vec![format!("https://a.example/{}", "x".repeat(MAX_TICKET_BYTES))],
            ..addr(0).to_record()
        };
        let addr = EndpointAddr::from_record(&record).unwrap();
        assert_eq!(encode_ticket(&addr), Err(TicketError::TooLong));
    }

    #[test]
    fn a_link_local_address_does_not_get_into_a_ticket() {
        let mut with = addr(2);
        with.insert_ip("[fe80::1%7]:4433".parse().unwrap());
        assert_eq!(encode_ticket(&with), encode_ticket(&addr(2)));
    }

    #[test]
    fn every_cut_of_a_ticket_is_refused() {
        let mut bytes = vec![0];
        bytes.extend_from_slice(addr(0).id().as_bytes());
        bytes.extend([2, 1, 0, 127, 0, 0, 1, 0x80, 8, 2, 5, 1, 9]);
        assert_eq!(decode_ticket(&ticket_of(&bytes)).unwrap().addrs().len(), 2);
        for length in 0..bytes.len() {
            assert_eq!(
                decode_ticket(&ticket_of(&bytes[..length])),
                Err(TicketError::Malformed),
                "{length}"
            );
        }
    }

    #[test]
    fn a_relay_without_a_host_is_refused_as_in_a_record() {
        let ticket = ticket_with(b"\x01\x00\x11relay.example:443");
        assert_eq!(decode_ticket(&ticket), Err(TicketError::Malformed));
    }

    #[test]
    fn an_error_never_quotes_the_ticket() {
        let ticket = encode_ticket(&addr(1)).unwrap();
        for text in [ticket.to_uppercase(), format!("{ticket}1"), ticket.replacen("aa", "ae", 1)] {
            let error = decode_ticket(&text).unwrap_err().to_string();
            assert!(!error.contains(&text[12..40]), "{error}");
        }
    }
}
