//! The endpoint: quinn with a public key as its identity, an accept loop and a router.
//!
//! Where to start reading: [`Endpoint`] binds, dials and closes; `accept.rs` is the loop that meets strangers;
//! [`Router`] hands finished connections to a [`ProtocolHandler`] by ALPN. `tls.rs` holds every wire fact of the
//! handshake. This crate never names a protocol and knows nothing of JavaScript.

mod accept;
mod close;
mod config;
mod connection;
mod dial;
mod driver;
mod early;
mod endpoint;
mod failure;
pub mod framed;
mod incoming;
mod local;
mod metrics;
mod peers;
mod readiness;
mod resets;
mod router;
mod socket;
mod tls;

pub use close::{CloseInfo, ClosedBy};
pub use config::{BindAddr, Congestion, EndpointOptions, RetryPolicy, TransportOptions};
pub use connection::{Connection, Side};
pub use dial::DialOptions;
pub use driver::Inline;
pub use early::EarlyState;
pub use endpoint::{AfterHandshake, Endpoint, HandshakeInfo, Verdict};
pub use failure::Failure;
pub use incoming::{Accepting, Incoming};
pub use peers::KnownAddress;
pub use router::{BoxFuture, IncomingFilter, ProtocolHandler, Router, RouterBuilder};
pub use socket::SocketInfo;
