//! An endpoint id in the form that the state machine wants.

use gaiwan_base::EndpointId;
use serde::{Deserialize, Serialize};

/// The bytes of an endpoint id: ordered by them, 32 raw bytes on the wire. Whoever makes one from foreign bytes checks
/// that they are a point, since the reference refuses a whole frame that names a bad one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId(pub(crate) [u8; 32]);

impl PeerId {
    /// The endpoint id; `None` if the bytes are no point.
    pub(crate) fn endpoint_id(&self) -> Option<EndpointId> {
        EndpointId::from_bytes(&self.0).ok()
    }
}

impl From<EndpointId> for PeerId {
    fn from(id: EndpointId) -> Self {
        Self(*id.as_bytes())
    }
}

impl std::fmt::Debug for PeerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", data_encoding::HEXLOWER.encode(&self.0[..5]))
    }
}
