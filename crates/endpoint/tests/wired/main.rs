//! Endpoints on the loopback interface, wired to each other, to raw quinn peers and to hostile ones.
//!
//! Every test waits for events only and runs under [`peers::run`], which turns a hang into a failure.

mod alpn;
mod chaos;
mod close;
mod dial;
mod early;
mod facts;
mod flood;
mod framed;
mod hooks;
mod hostile;
mod incoming;
mod inline;
mod peers;
mod proxy;
mod raw;
mod router;
mod shutdown;
mod sockets;
mod streams;
