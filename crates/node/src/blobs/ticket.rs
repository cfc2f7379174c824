//! Faces `ts/blobs/ticket.ts`.

use gaiwan_base::{BlobFormat, HashAndFormat};
use gaiwan_blobs::proto::BlobTicket;
use napi::{Error, Result, Status};
use napi_derive::napi;

use super::work::{format_of, hash_of};
use crate::addr::NativeAddr;

/// Whom to ask for what.
#[napi(object)]
pub struct NativeBlobTicket {
    /// Whom.
    pub addr: NativeAddr,
    /// Lowercase hex.
    pub hash: String,
    /// With its children.
    pub hash_seq: bool,
}

/// Writes a ticket with the first relay and the addresses that mean something elsewhere. Throws a plain Error for a
/// malformed field, or when there is too much for a ticket.
#[napi]
pub fn encode_blob_ticket(ticket: NativeBlobTicket) -> Result<String> {
    let NativeBlobTicket { addr, hash, hash_seq } = ticket;
    let content = HashAndFormat { hash: hash_of(&hash)?, format: format_of(hash_seq) };
    Ok(BlobTicket::new(&addr.try_into()?, content).map_err(invalid)?.encode())
}

/// Reads a ticket; throws a plain Error when it is none.
#[napi]
pub fn decode_blob_ticket(ticket: String) -> Result<NativeBlobTicket> {
    let ticket = BlobTicket::decode(&ticket).map_err(invalid)?;
    let HashAndFormat { hash, format } = ticket.content();
    let addr = ticket.addr().clone().into();
    Ok(NativeBlobTicket { addr, hash: hash.to_hex(), hash_seq: format == BlobFormat::HashSeq })
}

fn invalid(error: impl std::error::Error) -> Error {
    Error::new(Status::InvalidArg, error.to_string())
}
