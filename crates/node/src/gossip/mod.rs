//! Faces `ts/gossip`: topics of `gaiwan-gossip`, whose bytes enter V8 only when somebody iterates.
//!
//! | Module | Noun |
//! |---|---|
//! | `piece` | what a handle of this room can stand for |
//! | `room` | an instance: options, addresses, subscriptions, its life |
//! | `asking` | what an instance asks JavaScript: who may connect, how to reach a peer |
//! | `sender` | the way out of a topic: a queue, so that messages of a tick cross together |
//! | `receiver` | the way in |
//! | `batch` | events as one block |

mod asking;
mod batch;
mod piece;
mod receiver;
mod room;
mod sender;

pub use piece::{Piece, topic_closed};
