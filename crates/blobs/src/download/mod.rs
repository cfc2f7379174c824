//! A download: one blob, or a hash sequence with its children, from any number of providers into the store.
//!
//! Connections are given to it, and it tells of those that fail: dialing, and dialing again, is its user's.
//!
//! | Module | Noun |
//! |---|---|
//! | `plan` | [`Task`](plan::Task), what one provider is asked for at a time |
//! | `crew` | the providers: who is free, who lacks what |
//! | `work` | one task with one provider |
//! | `run` | [`Download`], from what is here to all of it |
//! | `sizes` | how much is to come of a hash sequence |
//! | `types` | what it is told, and what it tells |

mod crew;
mod plan;
mod run;
mod sizes;
mod types;
mod work;

pub use run::{Download, Providers};
pub use types::{DownloadEvent, DownloadOptions, Downloaded, TagAs};
