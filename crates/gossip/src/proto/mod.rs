//! The wire and its rules: frames, messages, peer data. No clock.

pub mod frame;
pub mod message;
pub mod peer_data;
mod peer_id;
mod topic_id;
mod wire;

pub use peer_id::PeerId;
pub use topic_id::TopicId;
pub use wire::Malformed;
pub(crate) use wire::varint_len;
