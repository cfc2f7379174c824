//! A response on its way out of the store or into it, a step at a time. Synchronous: each step belongs on a thread that
//! may wait for the disk, and between the steps nothing holds one.
//!
//! | Module | Noun |
//! |---|---|
//! | `children` | the hashes that a request walks over |
//! | `response` | [`Response`], what a provider sends |
//! | `receive` | [`Receive`], what a getter stores |
//! | `stats` | [`TransferStats`] |

mod children;
mod receive;
mod response;
mod stats;

pub(crate) use children::Walk;
pub(crate) use receive::{Fed, Receive, mismatch};
pub use receive::{Limits, Received};
pub use response::Sent;
pub(crate) use response::{End, Response};
pub use stats::TransferStats;
