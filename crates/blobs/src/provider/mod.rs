//! The provider: serves a store to whoever connects and is allowed to ask.
//!
//! | Module | Noun |
//! |---|---|
//! | `handler` | [`Provider`], the handler of a router |
//! | `place` | who is connected, within which limits |
//! | `served` | one connection: its turns, its rate, its observers |
//! | `request` | one stream: whether what is asked may be, and how it ends |
//! | `read` | what is asked |
//! | `report` | what is told and counted of it |
//! | `send` | the answer to a Get or GetMany |
//! | `observe` | the answer to an Observe |
//! | `push` | the taking of a Push |
//! | `rate` | bytes a second |
//! | `events` | what is told of all this, and asked |

mod events;
mod handler;
mod observe;
mod place;
mod push;
mod rate;
mod read;
mod report;
mod request;
mod send;
mod served;

pub use events::{Authorize, Event, EventKind, Events, Metrics};
pub use handler::{Provider, ProviderOptions};
