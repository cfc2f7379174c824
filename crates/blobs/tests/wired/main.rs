//! Providers and getters on the loopback interface, against each other, the golden transcripts, and hostile peers.
//!
//! Every test waits for events only and runs under [`peers::run`], which turns a hang into a failure.

mod download;
mod honest;
mod hostile_getter;
mod hostile_provider;
mod limits;
mod peers;
mod resume;
mod sizes;
mod transcripts;
mod transfer;
