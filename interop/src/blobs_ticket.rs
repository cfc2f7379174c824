//! Commands on tickets.

use std::net::SocketAddr;

use iroh::{EndpointAddr, EndpointId, RelayUrl};
use iroh_blobs::Hash;
use iroh_blobs::ticket::BlobTicket;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blobs_request::Format;
use crate::fault::Fault;

/// What a ticket says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketParts {
    /// `id` is taken by the number of the command.
    remote_id: EndpointId,
    #[serde(default)]
    addresses: Vec<SocketAddr>,
    /// The ticket keeps the first one in order.
    #[serde(default)]
    relays: Vec<RelayUrl>,
    hash: Hash,
    format: Format,
}

/// `{ticket}`.
pub fn encode(parts: TicketParts) -> Result<Value, Fault> {
    let mut to = EndpointAddr::new(parts.remote_id);
    for address in parts.addresses {
        to = to.with_ip_addr(address);
    }
    for relay in parts.relays {
        to = to.with_relay_url(relay);
    }
    Ok(json!({ "ticket": BlobTicket::new(to, parts.hash, parts.format.into()).to_string() }))
}

/// `{remoteId, addresses, relays, hash, format}`; a ticket that does not parse fails with `ticket`.
pub fn decode(ticket: &str) -> Result<Value, Fault> {
    let ticket: BlobTicket = ticket.parse().map_err(|error| Fault::new("ticket", error))?;
    let to = ticket.addr();
    Ok(json!({
        "remoteId": to.id.to_string(),
        "addresses": to.ip_addrs().map(ToString::to_string).collect::<Vec<_>>(),
        "relays": to.relay_urls().map(ToString::to_string).collect::<Vec<_>>(),
        "hash": ticket.hash(),
        "format": Format::name(ticket.format()),
    }))
}
