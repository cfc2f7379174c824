//! Many files at once: the small ones among them share their flushes.

use std::{fs, path::Path};

use bytes::Bytes;
use gaiwan_base::{Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use super::{
    Added, ImportMode, Pending, Phase, Progress, Store,
    error::io as failed,
    import::open_regular,
    record::{DataAt, OutboardAt, Record},
};
use crate::{
    bao::{GROUP_BYTES, ReadAt},
    proto::Bitfield,
};

/// What was added, perhaps not on the disk yet.
pub(crate) struct Later {
    pub(crate) added: Added,
    /// To be waited for; what is not may be lost.
    pub(crate) pending: Option<Pending<()>>,
}

impl Store {
    /// As `import_file`, but a file that goes into the catalog is not waited for.
    pub(crate) fn import_file_later(
        &self,
        path: &Path,
        mode: ImportMode,
        progress: Progress<'_>,
    ) -> Result<Later, Failure> {
        self.check_changes()?;
        let broken = |error: std::io::Error| failed(&path.display().to_string(), &error);
        let size = fs::symlink_metadata(path).map_err(broken)?.len();
        // What has pairs as well takes the long way.
        if size > self.options().inline_data_bytes.min(GROUP_BYTES) {
            return Ok(Later { added: self.import_file(path, mode, progress)?, pending: None });
        }
        let file = open_regular(path).map_err(broken)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        file.read_at(0, &mut bytes).map_err(broken)?;
        progress(Phase::Hash, size)?;
        self.import_later(bytes.into())
    }

    /// As `import_bytes`, but what goes into the catalog is not waited for.
    pub(crate) fn import_bytes_later(&self, bytes: Bytes) -> Result<Later, Failure> {
        self.check_changes()?;
        if bytes.len() as u64 > self.options().inline_data_bytes.min(GROUP_BYTES) {
            return Ok(Later { added: self.import_bytes(bytes)?, pending: None });
        }
        self.import_later(bytes)
    }

    /// Adds bytes that go into the catalog.
    fn import_later(&self, bytes: Bytes) -> Result<Later, Failure> {
        let (hash, size) = (Hash::from_bytes(*blake3::hash(&bytes).as_bytes()), bytes.len() as u64);
        let hold = self.hold(HashAndFormat::raw(hash));
        let turn = self.turns().take(&hash);
        self.check_changes()?;
        if hash == Hash::EMPTY
            || self.catalog().get(&hash)?.is_some()
            || self.partials().get(&hash).is_some()
        {
            drop(turn);
            return Ok(Later { added: self.import_bytes(bytes)?, pending: None });
        }
        let (reserved, watchers) = (self.reserve(size)?, self.watchers().clone());
        let row = Record::Complete { size, data: DataAt::Inline, outboard: OutboardAt::Nowhere };
        let pending = self.catalog().submit_then(
            move |tables| tables.put(&hash, &row, Some(&bytes), None),
            move |result| {
                if result.is_ok() {
                    reserved.keep(size);
                    watchers.tell(&hash, &Bitfield::complete(size));
                }
                drop(turn);
            },
        );
        Ok(Later { added: Added { hash, size, hold }, pending: Some(pending) })
    }
}
