//! A collection as files below one directory.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;

use super::{NamedProgress, for_each, guard::Guard};
use crate::{
    proto::{Collection, NameRules, check_names},
    store::{ExportOptions, Phase, Store},
};

/// What can be written here.
const RULES: NameRules = if cfg!(windows) { NameRules::Everywhere } else { NameRules::Unix };

/// Writes every content of a collection below `root`, an absolute path that is made if it is not there; several at once.
/// The paths, in the order of the collection.
///
/// Before anything is written all names are checked (`UNSAFE_NAME`), all contents must be here (`BLOB_NOT_FOUND`,
/// `BLOB_INCOMPLETE`), and nothing may lie in the way (`TARGET_EXISTS`). No link below `root` is followed. A failure or an
/// abort after that leaves whole files only.
pub fn unpack(
    store: &Store,
    collection: &Collection,
    root: &Path,
    options: ExportOptions,
    begin: &mut dyn FnMut(u64),
    progress: NamedProgress<'_>,
) -> Result<Vec<PathBuf>, Failure> {
    let entries = collection.entries();
    check_names(entries.iter().map(|(name, _)| &**name), RULES)
        .map_err(|error| Failure::new(ErrorCode::UnsafeName, error.to_string()))?;
    let mut bytes = 0_u64;
    for (name, hash) in entries {
        bytes = bytes.saturating_add(store.require(hash)?);
        progress(Phase::Write, 0, name)?;
    }
    begin(bytes);
    let broken = |error: io::Error| {
        Failure::new(ErrorCode::StoreFailed, format!("{}: {error}", root.display()))
    };
    fs::create_dir_all(root).map_err(broken)?;
    free(root, entries.iter().map(|(name, _)| &**name), options.overwrite)?;
    for_each(
        entries.len(),
        || Guard::new(root),
        |guard, n| {
            let Some((name, hash)) = entries.get(n) else { return Ok(()) };
            let note = |phase: Phase, bytes: u64| progress(phase, bytes, name);
            note(Phase::Write, 0)?;
            let target = guard.target(name)?;
            store.export(hash, &target, options, &note).map_err(|failure| guard.plain(failure))
        },
        |_| Ok(()),
    )?;
    Ok(entries.iter().map(|(name, _)| root.join(name)).collect())
}

/// Whether nothing lies where a file or a folder should go.
fn free<'a>(
    root: &Path,
    names: impl Iterator<Item = &'a str>,
    overwrite: bool,
) -> Result<(), Failure> {
    let taken = |path: &Path, what: &str| {
        Failure::new(ErrorCode::TargetExists, format!("{} {what}", path.display()))
    };
    let mut seen = HashSet::new();
    for name in names {
        for (at, _) in name.match_indices('/') {
            let folder = &name[..at];
            let path = root.join(folder);
            if seen.insert(folder) && fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_dir()) {
                return Err(taken(&path, "is no folder"));
            }
        }
        let path = root.join(name);
        match fs::symlink_metadata(&path) {
            Ok(_) if !overwrite => return Err(taken(&path, "exists already")),
            Ok(meta) if meta.is_dir() => return Err(taken(&path, "is a folder")),
            _ => {}
        }
    }
    Ok(())
}
