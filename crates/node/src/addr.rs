//! Faces `ts/endpoint/addr.ts`.
//!
//! The errors are plain ones that name the malformed field; the facade makes a `TypeError` of them.

use gaiwan_base::{AddrRecord, EndpointAddr, decode_ticket, encode_ticket};
use napi::{Error, Result, Status};
use napi_derive::napi;

/// An id and the ways to reach it, as strings. Sorted and in normal form when it comes from Rust.
#[napi(object)]
pub struct NativeAddr {
    /// Hex or base32 when given, lowercase hex when answered.
    pub id: String,
    /// `ip:port` or `[v6]:port`.
    pub addresses: Vec<String>,
    /// All relays.
    pub relay_urls: Vec<String>,
    /// Other transports, `<id hex>_<data hex>`.
    pub custom_addresses: Vec<String>,
}

/// Checks every field and answers the same address sorted, in normal form, each entry once.
/// Throws a plain Error that names the malformed field.
#[napi]
pub fn normalize_addr(addr: NativeAddr) -> Result<NativeAddr> {
    Ok(EndpointAddr::try_from(addr)?.into())
}

/// Writes a ticket; link-local addresses are left out. Throws a plain Error for a malformed field,
/// or when the ticket would pass 16 KiB or 128 entries.
#[napi(js_name = "encodeTicket")]
pub fn encode_endpoint_ticket(addr: NativeAddr) -> Result<String> {
    encode_ticket(&addr.try_into()?).map_err(invalid)
}

/// Reads a ticket; throws a plain Error when it is none.
#[napi(js_name = "decodeTicket")]
pub fn decode_endpoint_ticket(ticket: String) -> Result<NativeAddr> {
    Ok(decode_ticket(&ticket).map_err(invalid)?.into())
}

impl TryFrom<NativeAddr> for EndpointAddr {
    type Error = Error;

    fn try_from(addr: NativeAddr) -> Result<Self> {
        let NativeAddr { id, addresses, relay_urls, custom_addresses } = addr;
        let record = AddrRecord { id, addresses, relay_urls, custom_addresses };
        EndpointAddr::from_record(&record).map_err(invalid)
    }
}

impl From<EndpointAddr> for NativeAddr {
    fn from(addr: EndpointAddr) -> Self {
        let AddrRecord { id, addresses, relay_urls, custom_addresses } = addr.to_record();
        Self { id, addresses, relay_urls, custom_addresses }
    }
}

fn invalid(error: impl std::error::Error) -> Error {
    Error::new(Status::InvalidArg, error.to_string())
}
