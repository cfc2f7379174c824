//! What a handle of this room can stand for.

use std::sync::Arc;

use gaiwan_endpoint::Failure;

use super::{frames::Frames, waiting::Waiting};
use crate::{bridge::NativeBridge, error::to_js, table::Object};

/// A native object of `ts/rpc`.
pub enum Piece {
    /// A request that waits for its answer. Dropped it resets the answer half and stops the other.
    Waiting(Box<Waiting>),
    /// A receiving half that is read in frames.
    Frames(Arc<Frames>),
}

impl Piece {
    pub(super) fn object(self) -> Object {
        Object::Framed(self)
    }

    /// The handle is gone.
    pub fn release(self) {
        if let Self::Frames(frames) = self {
            frames.close();
        }
    }
}

impl NativeBridge {
    /// The receiving half of a handle.
    pub(super) fn frames_of(&self, handle: u32) -> napi::Result<Arc<Frames>> {
        match self.table().framed(handle) {
            Some(Piece::Frames(frames)) => Ok(frames.clone()),
            _ => Err(to_js(Failure::stream_closed())),
        }
    }
}
