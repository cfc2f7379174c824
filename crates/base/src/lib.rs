//! Keys, ids, addresses, tickets and codes: what every floor above agrees on.
//!
//! Nothing here is async or opens a socket, and nothing asks for the time. Where to look:
//!
//! | Module | Noun |
//! |---|---|
//! | `key` | [`SecretKey`], a key pair |
//! | `id` | [`EndpointId`], its public half, in every text and byte form |
//! | `addr` | [`EndpointAddr`], an id and the ways to reach it; [`AddrRecord`], the same as strings |
//! | `ticket` | [`encode_ticket`] and [`decode_ticket`], an address as one printable string |
//! | `hash` | [`Hash`](struct@Hash) of a blob; [`BlobFormat`] and [`HashAndFormat`], what it is a hash of |
//! | `alpn` | [`Alpn`], the name of an application protocol |
//! | `code` | [`ErrorCode`], the list of codes, and [`Coded`], an error that knows its own |

mod addr;
mod alpn;
mod code;
mod hash;
mod id;
mod key;
mod ticket;

pub use addr::{AddrError, AddrRecord, EndpointAddr, MAX_ADDRS};
pub use alpn::{Alpn, AlpnError};
pub use code::{Coded, ErrorCode};
pub use hash::{BlobFormat, Hash, HashAndFormat, HashError};
pub use id::{EndpointId, SPKI_LENGTH};
pub use iroh_base::{CustomAddr, RelayUrl, TransportAddr};
pub use key::{KeyError, SIGNATURE_LENGTH, SecretKey};
pub use ticket::{MAX_TICKET_BYTES, TicketError, decode_ticket, encode_ticket};
pub use zeroize::Zeroizing;
