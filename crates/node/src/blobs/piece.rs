//! What a handle of this room can stand for.

use std::sync::{Arc, Mutex, PoisonError};

use gaiwan_blobs::{
    download::Providers,
    local::{BaoExport, BaoImport, Folder},
    provider::Provider,
    store::{Hold, Reader, Upload, Watch},
};
use tokio::sync::oneshot;

use super::{
    held::{Held, Slot},
    remote::Remote,
};
use crate::{bridge::NativeBridge, error::stale, table::Object};

/// A native object of `ts/blobs`.
pub enum Piece {
    /// A store.
    Store(Arc<Held>),
    /// What was added in one scope.
    Batch(Arc<Batch>),
    /// Bytes that come in pieces.
    Upload(Arc<Slot<Upload>>),
    /// The files below a directory, before their import.
    Folder(Arc<Folder>),
    /// One open blob.
    Reader(Arc<OpenBlob>),
    /// Changes to one blob.
    Watch(Arc<tokio::sync::Mutex<Watching>>),
    /// A verified stream that comes in.
    BaoImport(Arc<Slot<BaoImport>>),
    /// A verified stream that goes out.
    BaoExport(Arc<Slot<BaoExport>>),
    /// Who serves a store.
    Provider(Arc<Provider>),
    /// Where a download gets its providers.
    Providers(Arc<Providers>),
    /// Something that is read from a peer.
    Remote(Arc<tokio::sync::Mutex<Remote>>),
    /// A yes or no that a request waits for.
    Answer(oneshot::Sender<bool>),
}

/// An open blob, with its store.
pub struct OpenBlob {
    pub(super) reader: Reader,
    pub(super) held: Arc<Held>,
}

/// A watch, and whether its first state was told.
pub struct Watching {
    pub(super) watch: Watch,
    pub(super) told: bool,
}

/// Holds, given up together.
#[derive(Default)]
pub struct Batch(Mutex<Vec<Hold>>);

impl Batch {
    pub(super) fn push(&self, hold: Hold) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(hold);
    }
}

impl Piece {
    /// Gives it up; what has to do with the disk, or is large, not on this thread. Inside the runtime only.
    pub fn release(self) {
        match self {
            Self::Store(_) | Self::Upload(_) | Self::Folder(_) | Self::BaoImport(_) => {
                drop(tokio::task::spawn_blocking(move || drop(self)));
            }
            Self::Batch(_)
            | Self::Reader(_)
            | Self::Watch(_)
            | Self::BaoExport(_)
            | Self::Provider(_)
            | Self::Providers(_)
            | Self::Remote(_)
            | Self::Answer(_) => {}
        }
    }

    pub(super) fn object(self) -> Object {
        Object::Blobs(self)
    }
}

/// One accessor for each kind.
macro_rules! pieces {
    ($($(#[$doc:meta])* $name:ident: $variant:ident = $kind:ty, $what:literal;)+) => {
        impl NativeBridge {
            $($(#[$doc])*
            pub(crate) fn $name(&self, handle: u32) -> napi::Result<Arc<$kind>> {
                match self.table().piece(handle) {
                    Some(Piece::$variant(piece)) => Ok(piece.clone()),
                    _ => Err(stale($what)),
                }
            })+
        }
    };
}

pieces! {
    /// The store of a handle.
    store_of: Store = Held, "store";
    /// The batch of a handle.
    batch_of: Batch = Batch, "batch";
    /// The upload of a handle.
    upload_of: Upload = Slot<Upload>, "upload";
    /// The folder of a handle.
    folder_of: Folder = Folder, "folder";
    /// The open blob of a handle.
    reader_of: Reader = OpenBlob, "reader";
    /// The watch of a handle.
    watch_of: Watch = tokio::sync::Mutex<Watching>, "watch";
    /// The verified stream of a handle.
    bao_import_of: BaoImport = Slot<BaoImport>, "import";
    /// The verified stream of a handle.
    bao_export_of: BaoExport = Slot<BaoExport>, "export";
    /// The provider of a handle.
    provider_of: Provider = Provider, "provider";
    /// The providers of a download.
    providers_of: Providers = Providers, "download";
    /// The request of a handle.
    remote_of: Remote = tokio::sync::Mutex<Remote>, "request";
}
