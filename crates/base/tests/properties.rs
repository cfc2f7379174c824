//! What holds for any address and any text.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use data_encoding::BASE32_NOPAD;
use gaiwan_base::{
    Alpn, CustomAddr, EndpointAddr, EndpointId, SecretKey, TicketError, TransportAddr,
    decode_ticket, encode_ticket,
};
use iroh_tickets::{Ticket, endpoint::EndpointTicket};
use proptest::{collection::vec, prelude::*};

/// Any transport address that a ticket can carry.
fn transport_addr() -> impl Strategy<Value = TransportAddr> {
    let ip = prop_oneof![
        any::<(Ipv4Addr, u16)>().prop_map(SocketAddr::from),
        any::<(Ipv6Addr, u16)>()
            .prop_filter("link-local", |(ip, _)| !ip.is_unicast_link_local())
            .prop_map(SocketAddr::from),
    ];
    let relay =
        ("(https?|wss)", "[a-z][a-z0-9]{0,10}(\\.[a-z]{2,9}){1,3}\\.?", any::<u16>(), "[a-z]{0,9}")
            .prop_map(|(scheme, host, port, path)| format!("{scheme}://{host}:{port}/{path}"));
    prop_oneof![
        3 => ip.prop_map(TransportAddr::Ip),
        1 => relay.prop_map(|url| TransportAddr::Relay(url.parse().unwrap())),
        1 => (any::<u64>(), vec(any::<u8>(), 0..40))
            .prop_map(|(id, data)| TransportAddr::Custom(CustomAddr::from_parts(id, &data))),
    ]
}

fn endpoint_addr() -> impl Strategy<Value = EndpointAddr> {
    (any::<[u8; 32]>(), vec(transport_addr(), 0..40)).prop_map(|(seed, entries)| {
        let mut addr = EndpointAddr::new(SecretKey::from_bytes(&seed).id());
        entries.into_iter().for_each(|entry| {
            addr.insert(entry);
        });
        addr
    })
}

/// The bytes behind the prefix of a good ticket.
fn ticket_bytes(addr: &EndpointAddr) -> Vec<u8> {
    let ticket = encode_ticket(addr).unwrap();
    BASE32_NOPAD.decode(ticket["endpoint".len()..].to_uppercase().as_bytes()).unwrap()
}

fn ticket_of(bytes: &[u8]) -> String {
    format!("endpoint{}", BASE32_NOPAD.encode(bytes).to_lowercase())
}

/// Decodes with both decoders. Ours may say no where the reference says yes only for a limit or a
/// relay without a host; what it gives is what the reference gives.
fn same_as_the_reference(text: &str) -> Result<(), TestCaseError> {
    let reference: Option<EndpointAddr> = EndpointTicket::decode_string(text)
        .ok()
        .map(|ticket| EndpointAddr::from(iroh_base::EndpointAddr::from(ticket)));
    match (decode_ticket(text), reference) {
        (Ok(ours), theirs) => prop_assert_eq!(Some(ours), theirs),
        (Err(error), Some(theirs)) => {
            let hosts = theirs.relay_urls().all(|url| url.has_host());
            let limit = matches!(error, TicketError::TooMany | TicketError::TooLong);
            prop_assert!(!hosts || limit, "{error} for {text}");
        }
        (Err(_), None) => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn an_address_comes_back_from_its_ticket_and_from_its_record(addr in endpoint_addr()) {
        let ticket = encode_ticket(&addr).unwrap();
        prop_assert_eq!(decode_ticket(&ticket), Ok(addr.clone()));
        let shouted = format!("endpoint{}", ticket["endpoint".len()..].to_uppercase());
        prop_assert_eq!(decode_ticket(&shouted), Ok(addr.clone()));
        prop_assert_eq!(EndpointAddr::from_record(&addr.to_record()), Ok(addr));
    }

    #[test]
    fn a_mutated_ticket_is_judged_as_the_reference_does(
        addr in endpoint_addr(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = ticket_bytes(&addr);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        same_as_the_reference(&ticket_of(&bytes))?;
    }

    #[test]
    fn random_bytes_behind_a_good_id_are_judged_as_the_reference_does(
        seed in any::<[u8; 32]>(),
        tail in vec(prop_oneof![0_u8..4, any::<u8>()], 0..200),
    ) {
        let id = SecretKey::from_bytes(&seed).id();
        same_as_the_reference(&ticket_of(&[&[0], &id.as_bytes()[..], &tail].concat()))?;
    }

    #[test]
    fn random_bytes_and_text_never_panic_a_parser(
        bytes in vec(any::<u8>(), 0..400),
        text in "\\PC{0,80}",
        chars52 in "[a-z0-9\u{e9}]{52}",
    ) {
        same_as_the_reference(&ticket_of(&bytes))?;
        for text in [text.clone(), format!("endpoint{text}"), chars52] {
            same_as_the_reference(&text)?;
            let reference = text.parse::<iroh_base::EndpointId>().ok().map(EndpointId::from);
            prop_assert_eq!(EndpointId::parse(&text).ok(), reference);
            let reference = iroh_base::EndpointId::from_z32(&text).ok().map(EndpointId::from);
            prop_assert_eq!(EndpointId::from_z32(&text).ok(), reference);
            if let Ok(id) = EndpointId::from_server_name(&format!("{text}.iroh.invalid")) {
                prop_assert_eq!(id.server_name(), format!("{}.iroh.invalid", text.to_lowercase()));
            }
        }
        if let Ok(id) = EndpointId::from_spki(&bytes) {
            prop_assert_eq!(&id.spki()[..], &bytes[..]);
        }
        if let Ok(alpn) = Alpn::new(&bytes) {
            prop_assert!(alpn.to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
