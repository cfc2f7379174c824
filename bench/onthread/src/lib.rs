//! QUIC on the JavaScript thread: quinn-proto and a UDP socket driven by Node's own event loop, with no other thread.
//!
//! An experiment for `npm run bench -- --only onthread`; Linux only. Where to start reading: `reactor.rs` is called by
//! libuv and calls JavaScript, `driver.rs` is QUIC without any I/O loop, `exchange.rs` makes requests of streams.

mod driver;
mod exchange;
#[path = "../../pair/src/identity.rs"]
mod identity;
mod js;
mod native;
mod reactor;
mod records;
mod socket;
mod uv;

use std::error::Error;

/// Everything that goes wrong here; JavaScript sees its text.
type Failure = Box<dyn Error + Send + Sync>;
