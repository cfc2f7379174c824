//! The addon: converts between JavaScript and `gaiwan-endpoint`, and decides nothing.
//!
//! `docs/design/boundary.md` is the contract. Where to start reading: `bridge.rs` is the one object that JavaScript
//! holds, `queue.rs` carries events to it, `submit.rs` takes blocks from it; `send.rs`, `recv.rs` and `request.rs` are
//! the hot path. Every other file faces the file of the same name in `ts/`.

// Without a Node process nothing registers the exports, so a test build sees them as dead.
#![cfg_attr(test, allow(dead_code))]

mod addr;
mod blobs;
mod bridge;
mod connection;
mod core;
mod datagram;
mod endpoint;
mod error;
mod framed;
mod gossip;
mod incoming;
mod key;
mod log;
mod options;
mod queue;
mod recv;
mod request;
mod router;
mod runtime;
mod send;
mod spin;
mod stream;
mod submit;
mod table;
