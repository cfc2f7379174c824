//! Content-addressed blobs: verified transfer and storage.

pub mod bao;
pub mod download;
pub mod getter;
pub mod local;
pub mod proto;
pub mod provider;
pub mod reference;
pub mod store;
mod transfer;
mod unfinished;
pub use transfer::{Limits, Received, Sent, TransferStats};
