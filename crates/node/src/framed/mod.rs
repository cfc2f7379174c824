//! Frames over bi streams: the hot path of `ts/rpc`.

mod accept;
mod call;
mod frames;
mod open;
mod piece;
mod waiting;

pub use call::Call;
pub use frames::Frames;
pub use open::Open;
pub use piece::Piece;
pub use waiting::Waiting;
