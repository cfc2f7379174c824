//! The getter: asks one provider, checks what comes, stores it or hands it on.
//!
//! | Module | Noun |
//! |---|---|
//! | `feed` | bytes of a stream into a [`Receive`](crate::transfer::Receive), with a stall limit |
//! | `get` | [`get`], one request into the store |
//! | `local` | [`Local`], what the store lacks of a request |
//! | `observe` | [`Observation`], what a provider has |
//! | `push` | [`push`], a blob of ours to a peer |
//! | `sizes` | [`child_sizes`], of many blobs in one request |
//! | `stream` | [`BlobStream`], verified bytes past the store; [`verified_size`] |

mod feed;
mod get;
mod local;
mod observe;
mod push;
mod sizes;
mod stream;

pub(crate) use feed::feed;
pub use get::{GetOptions, get};
pub(crate) use local::lacking;
pub use local::{Local, groups_of_bytes, local};
pub use observe::{Observation, observe};
pub use push::push;
pub use sizes::child_sizes;
pub use stream::{BlobStream, verified_size};
