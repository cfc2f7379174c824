//! Faces `ts/blobs`: the store of `gaiwan-blobs`, whose calls block, run on threads that may wait.
//!
//! | Module | Noun |
//! |---|---|
//! | `held` | a store as this environment holds it, and what runs on it |
//! | `piece` | what a handle of this room can stand for |
//! | `work` | one blocking call; how arguments and answers are said |
//! | `teller` | progress, as ITEMs |
//! | `store`, `add`, `folder`, `reference`, `read`, `export`, `bao`, `facts`, `tags`, `care` | the methods, by what they are about |
//! | `provider`, `download`, `remote` | the same over an endpoint: serving, fetching, asking |
//! | `hash`, `ticket` | functions without a store |

mod add;
mod bao;
mod care;
mod download;
mod export;
mod facts;
mod folder;
mod hash;
mod held;
mod piece;
mod provider;
mod read;
mod reference;
mod remote;
mod store;
mod tags;
mod teller;
mod ticket;
mod work;

pub use piece::Piece;
