//! A topic: its task, what waits for it, and the handles of its subscribers.

mod actor;
mod command;
mod handle;
mod heal;
mod inbox;
mod life;
mod registry;
mod rejoin;
mod ring;
mod shared;
mod timers;

pub use handle::{TopicReceiver, TopicSender};
pub(crate) use inbox::{Inbound, Inbox, Item, Kind};
pub(crate) use registry::{Topics, closed};
