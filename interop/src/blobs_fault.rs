//! How transfers and stores fail.
//!
//! Kinds besides those of `fault.rs`: `not-found` (the stream ended where an item could start),
//! `hash-mismatch` (what came does not verify), `broken-stream` (it ended inside an item), `read`,
//! `write`, `bad-request`, `push`, `export` (local bytes are absent or wrong), `ticket` and
//! `store` (all else that is local).

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;

use iroh::endpoint::{ConnectionError, ReadError, WriteError};
use iroh_blobs::api::{Error, ExportBaoError, RequestError};
use iroh_blobs::get::GetError;
use iroh_blobs::get::fsm::{
    AtBlobHeaderNextError, AtClosingNextError, ConnectedNextError, DecodeError, InitialNextError,
};

use crate::fault::Fault;

impl Fault {
    /// Something local failed.
    pub fn store(error: impl Display) -> Self {
        Self::new("store", format!("{error:#}"))
    }

    /// A stream or what lies behind it failed.
    pub fn io(error: io::Error) -> Self {
        Self::from_io("read", &error)
    }

    /// A push failed: what the transport said if that is among the causes, else `push`.
    pub fn push(error: &(dyn StdError + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(fault) = error.downcast_ref::<io::Error>().and_then(transport) {
                return fault;
            }
            cause = error.source();
        }
        Self::new("push", error)
    }

    /// What the transport said if that is inside, else `kind`.
    fn from_io(kind: &'static str, error: &io::Error) -> Self {
        transport(error).unwrap_or_else(|| match error.kind() {
            // How the crate's streams say that some bytes of an item came, but not all.
            io::ErrorKind::InvalidData => Self::new("broken-stream", error),
            io::ErrorKind::UnexpectedEof => Self::new("not-found", error),
            _ => Self::new(kind, error),
        })
    }
}

/// The error of a stream or connection that an I/O error carries.
fn transport(error: &io::Error) -> Option<Fault> {
    let inner = error.get_ref()?;
    let read = || inner.downcast_ref::<ReadError>().cloned().map(Fault::from);
    let write = || inner.downcast_ref::<WriteError>().cloned().map(Fault::from);
    let end = || inner.downcast_ref::<ConnectionError>().cloned().map(Fault::from);
    read().or_else(write).or_else(end)
}

impl From<GetError> for Fault {
    fn from(error: GetError) -> Self {
        let text = format!("{error:#}");
        match error {
            GetError::InitialNext { source: InitialNextError::Open { source, .. }, .. } => {
                Self::from_io("write", &source)
            }
            GetError::ConnectedNext { source, .. } => match source {
                ConnectedNextError::Write { source, .. } => Self::from_io("write", &source),
                _ => Self::new("bad-request", text),
            },
            GetError::AtBlobHeaderNext { source, .. } => match source {
                AtBlobHeaderNextError::NotFound { .. } => Self::new("not-found", text),
                AtBlobHeaderNextError::Read { source, .. } => Self::from_io("read", &source),
            },
            GetError::Decode { source, .. } => decode(&source, text),
            GetError::AtClosingNext { source, .. } => match source {
                AtClosingNextError::Read { source, .. } => Self::from_io("read", &source),
            },
            GetError::BadRequest { .. } => Self::new("bad-request", text),
            _ => Self::new("store", text),
        }
    }
}

fn decode(error: &DecodeError, text: String) -> Fault {
    match error {
        DecodeError::ChunkNotFound { .. }
        | DecodeError::ParentNotFound { .. }
        | DecodeError::LeafNotFound { .. } => Fault::new("not-found", text),
        DecodeError::ParentHashMismatch { .. } | DecodeError::LeafHashMismatch { .. } => {
            Fault::new("hash-mismatch", text)
        }
        DecodeError::Read { source, .. } => Fault::from_io("read", source),
        _ => Fault::new("store", text),
    }
}

impl From<RequestError> for Fault {
    fn from(error: RequestError) -> Self {
        Self::store(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::store(error)
    }
}

impl From<irpc::Error> for Fault {
    fn from(error: irpc::Error) -> Self {
        Self::store(error)
    }
}

impl From<ExportBaoError> for Fault {
    fn from(error: ExportBaoError) -> Self {
        Self::new("export", format!("{error:#}"))
    }
}
