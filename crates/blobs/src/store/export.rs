//! A blob as a file.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use super::{
    Phase, Progress, Reader, Store,
    error::{incomplete, io as failed, not_found},
    place::{Kind, Place},
    record::{DataAt, Record},
    staged::{Folders, Staged},
};

/// Bytes written at a time.
const PIECE: u64 = 1 << 20;

/// What becomes of the store's own copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExportMode {
    /// It stays.
    #[default]
    Copy,
    /// It is moved out, and the store refers to it there.
    Reference,
}

/// How to export.
#[derive(Debug, Clone, Copy)]
pub struct ExportOptions {
    /// Copy or move.
    pub mode: ExportMode,
    /// Replace what is there.
    pub overwrite: bool,
    /// Check the bytes on the way out.
    pub verify: bool,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { mode: ExportMode::Copy, overwrite: false, verify: true }
    }
}

impl Store {
    /// Writes a blob to `target`, an absolute path whose folders are made: first under a name of its own beside it, then
    /// renamed, so that nobody sees a half, and what was there stays until then. `TARGET_EXISTS`, `BLOB_INCOMPLETE`,
    /// `BLOB_CORRUPT`; after a failure nothing is left behind.
    pub fn export(
        &self,
        hash: &Hash,
        target: &Path,
        options: ExportOptions,
        progress: Progress<'_>,
    ) -> Result<(), Failure> {
        let _hold = self.hold(HashAndFormat::raw(*hash));
        let reader = self.complete_reader(hash)?;
        let what = format!("{} can't be written", target.display());
        let broken = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(target),
            _ => failed(&what, &error),
        };
        if !options.overwrite && fs::symlink_metadata(target).is_ok() {
            return Err(exists(target));
        }
        let folders = Folders::of(target).map_err(broken)?;
        let by_reference = options.mode == ExportMode::Reference && self.owns(hash)?;
        let linked =
            if by_reference { self.link(hash, target, options, &reader, progress)? } else { None };
        let staged = match linked {
            Some(staged) => staged,
            None => {
                let (staged, file) = Staged::file(target).map_err(broken)?;
                copy(&reader, &file, options.verify, &broken, progress)?;
                if self.options().durable {
                    file.sync_data().map_err(broken)?;
                }
                staged
            }
        };
        staged.publish(target, options.overwrite).map_err(broken)?;
        if by_reference {
            if self.options().durable {
                folders.sync().map_err(broken)?;
            }
            self.refer(hash, target)?;
        }
        folders.keep();
        Ok(())
    }

    /// Whether the bytes of a complete blob lie in a file of our own.
    fn owns(&self, hash: &Hash) -> Result<bool, Failure> {
        let row = self.catalog().get(hash)?;
        let owned = matches!(row, Some(Record::Complete { data: DataAt::Owned, .. }));
        Ok(owned && matches!(self.place(), Place::Directory { .. }))
    }

    /// The store's own file under a second name; `None` on another file system.
    fn link(
        &self,
        hash: &Hash,
        target: &Path,
        options: ExportOptions,
        reader: &Reader,
        progress: Progress<'_>,
    ) -> Result<Option<Staged>, Failure> {
        let owned = self.place().owned_path(hash, Kind::Data);
        let Ok(staged) = Staged::link(&owned, target) else { return Ok(None) };
        let mut at = 0;
        while at < reader.size() {
            let end = (at + PIECE).min(reader.size());
            if options.verify {
                reader.read(at, end)?;
            }
            progress(Phase::Write, end - at)?;
            at = end;
        }
        Ok(Some(staged))
    }

    /// From now on the bytes are those of the user's file; our own go.
    fn refer(&self, hash: &Hash, target: &Path) -> Result<(), Failure> {
        let path = fs::canonicalize(target)
            .map_err(|error| failed("the exported file is gone", &error))?;
        let _turn = self.turns().take(hash);
        self.check_changes()?;
        let (hash, external) = (*hash, DataAt::External(path));
        let row = self.catalog().settle(move |tables| {
            let Some(row) = tables.get(&hash)? else { return Err(not_found(&hash)) };
            let Record::Complete { size, data: DataAt::Owned, outboard } = row else {
                return Ok(row);
            };
            let row = Record::Complete { size, data: external, outboard };
            tables.set_row(&hash, &row)?;
            Ok(row)
        })?;
        self.tidy(&hash, Some(&row));
        Ok(())
    }

    /// Whether all of a blob is here, else the failure that says what is not.
    pub fn require(&self, hash: &Hash) -> Result<u64, Failure> {
        let field = self.bitfield(hash)?;
        if field.is_complete() {
            Ok(field.size())
        } else if field.is_empty() && !self.has_row(hash)? {
            Err(not_found(hash))
        } else {
            Err(incomplete(hash))
        }
    }
}

fn copy(
    reader: &Reader,
    file: &File,
    verify: bool,
    broken: &dyn Fn(io::Error) -> Failure,
    progress: Progress<'_>,
) -> Result<(), Failure> {
    let (mut file, mut at) = (file, 0);
    while at < reader.size() {
        let end = (at + PIECE).min(reader.size());
        let bytes = if verify { reader.read(at, end)? } else { reader.unchecked(at, end)? };
        file.write_all(&bytes).map_err(broken)?;
        progress(Phase::Write, end - at)?;
        at = end;
    }
    Ok(())
}

fn exists(target: &Path) -> Failure {
    Failure::new(ErrorCode::TargetExists, format!("{} exists already", target.display()))
}
