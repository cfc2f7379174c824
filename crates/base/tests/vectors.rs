//! The golden bytes of `vectors/endpoint.json`, made by iroh-base 1.4.1 and iroh-tickets 1.0.0.

use std::{net::SocketAddr, sync::LazyLock};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use gaiwan_base::{
    AddrRecord, CustomAddr, EndpointAddr, EndpointId, SecretKey, TransportAddr, decode_ticket,
    encode_ticket,
};
use serde_json::Value;

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/endpoint.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
});

/// The list under `key`, which must have `count` entries, so that none is lost unseen.
fn list(key: &str, count: usize) -> &'static [Value] {
    let list = VECTORS[key].as_array().unwrap();
    assert_eq!(list.len(), count, "{key}");
    list
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("{field} in {vector}"))
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    HEXLOWER.decode(text(vector, field).as_bytes()).unwrap()
}

/// Inserts in reverse, so that only sorting can bring the order back.
fn addr_of(vector: &Value) -> EndpointAddr {
    let mut addr = EndpointAddr::new(text(vector, "id_hex").parse().unwrap());
    for entry in vector["addrs_in_order"].as_array().unwrap().iter().rev() {
        addr.insert(if let Some(ip) = entry["ip"].as_str() {
            TransportAddr::Ip(ip.parse::<SocketAddr>().unwrap())
        } else if let Some(url) = entry["relay"].as_str() {
            TransportAddr::Relay(url.parse().unwrap())
        } else {
            TransportAddr::Custom(text(&entry["custom"], "string").parse::<CustomAddr>().unwrap())
        });
    }
    addr
}

#[test]
fn an_identity_has_every_form_of_its_vector_and_is_read_from_each() {
    for vector in list("identity", 5) {
        let key = SecretKey::try_from(&bytes(vector, "secret_hex")[..]).unwrap();
        let id = key.id();

        assert_eq!(*key.to_bytes(), bytes(vector, "secret_hex")[..]);
        assert_eq!(id.to_hex(), text(vector, "id_hex"));
        assert_eq!(id.short(), text(vector, "id_short"));
        assert_eq!(id.to_base32(), text(vector, "id_base32"));
        assert_eq!(id.to_z32(), text(vector, "id_z32"));
        assert_eq!(id.server_name(), text(vector, "server_name"));
        assert_eq!(id.spki()[..], bytes(vector, "spki_hex"));
        let dns = format!("_iroh.{}.dns.iroh.link.", id.to_z32());
        assert_eq!(dns, text(vector, "dns_txt_name"));
        let mdns = format!("{}._irohv1._udp.local.", id.to_base32());
        assert_eq!(mdns, text(vector, "mdns_instance"));

        assert_eq!(EndpointId::parse(text(vector, "id_hex")), Ok(id));
        assert_eq!(EndpointId::parse(text(vector, "id_base32")), Ok(id));
        assert_eq!(EndpointId::from_z32(text(vector, "id_z32")), Ok(id));
        assert_eq!(EndpointId::from_server_name(text(vector, "server_name")), Ok(id));
        assert_eq!(EndpointId::from_spki(&bytes(vector, "spki_hex")), Ok(id));

        let signature = bytes(vector, "signature_of_gaiwan_hex");
        assert_eq!(key.sign(b"gaiwan")[..], signature);
        assert_eq!(id.verify(b"gaiwan", &signature), Ok(()));
        assert!(id.verify(b"Gaiwan", &signature).is_err());
    }
}

#[test]
fn text_is_an_endpoint_id_exactly_where_the_reference_says_so() {
    for vector in list("endpoint_id_parse", 15) {
        let id = EndpointId::parse(text(vector, "input"));
        assert_eq!(id.is_ok(), vector["ok"].as_bool().unwrap(), "{vector}");
        if let Ok(id) = id {
            assert_eq!(id.to_hex(), text(vector, "value_hex"));
            assert_eq!(id.as_bytes()[..], bytes(vector, "value_hex"));
        }
    }
}

#[test]
fn text_is_a_secret_key_exactly_where_the_reference_says_so() {
    for vector in list("secret_key_parse", 4) {
        let key = SecretKey::parse(text(vector, "input"));
        assert_eq!(key.is_ok(), vector["ok"].as_bool().unwrap(), "{vector}");
        if let Ok(key) = key {
            assert_eq!(*key.to_bytes(), bytes(vector, "secret_hex")[..]);
        }
    }
}

#[test]
fn a_ticket_is_written_as_its_vector_and_read_back() {
    for vector in list("endpoint_tickets", 7) {
        let addr = addr_of(vector);
        let json = serde_json::to_string(addr.as_ref()).unwrap();
        assert_eq!(json, text(vector, "endpoint_addr_json"));
        let read = decode_ticket(text(vector, "string")).unwrap();

        if vector["decodes_to_the_same_value"].as_bool().unwrap() {
            let ticket = encode_ticket(&addr).unwrap();
            assert_eq!(ticket, text(vector, "string"));
            assert_eq!(format!("\"{ticket}\""), text(vector, "ticket_json"));
            let body = ticket["endpoint".len()..].to_uppercase();
            let body = BASE32_NOPAD.decode(body.as_bytes()).unwrap();
            assert_eq!(body, bytes(vector, "bytes_hex"));
            assert_eq!(body[1..], bytes(vector, "endpoint_addr_postcard_hex"));
            assert_eq!(read, addr);
        } else {
            // The reference writes a link-local address and loses its zone. We leave it out of what
            // we write, and still keep one that somebody else wrote.
            assert_eq!(read.to_record().addresses, ["[fe80::1]:4433"]);
            assert_eq!(encode_ticket(&addr), encode_ticket(&EndpointAddr::new(addr.id())));
        }
    }
}

#[test]
fn text_is_a_ticket_exactly_where_the_reference_says_so() {
    for vector in list("endpoint_ticket_parse", 14) {
        let addr = decode_ticket(text(vector, "input"));
        assert_eq!(addr.is_ok(), vector["ok"].as_bool().unwrap(), "{vector}");
        if let Ok(addr) = addr {
            assert_eq!(Some(addr.addrs().len() as u64), vector["addr_count"].as_u64(), "{vector}");
            assert_eq!(decode_ticket(&encode_ticket(&addr).unwrap()), Ok(addr));
        }
    }
}

#[test]
fn a_relay_url_has_the_normal_form_of_the_reference() {
    let id = text(&list("identity", 5)[0], "id_hex");
    let normal = |url: &str| {
        let relay_urls = vec![url.to_string()];
        let record = AddrRecord { id: id.to_string(), relay_urls, ..AddrRecord::default() };
        EndpointAddr::from_record(&record).map(|addr| addr.to_record().relay_urls)
    };
    for vector in list("relay_urls", 7) {
        let urls = normal(text(vector, "input"));
        assert_eq!(urls.is_ok(), vector["ok"].as_bool().unwrap(), "{vector}");
        if let Ok(urls) = urls {
            assert_eq!(urls, [text(vector, "normal")]);
            assert_eq!(normal(&urls[0]), Ok(urls));
        }
    }
}
