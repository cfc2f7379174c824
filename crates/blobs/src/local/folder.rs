//! The files below one directory, on their way into a store.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;

use super::{Entry, NamedProgress, for_each};
use crate::{
    proto::{MAX_NAMES, NameRules, check_name},
    store::{Hold, ImportMode, Later, Phase, Store},
};

/// Small files that one thread leaves to one flush.
const UNFLUSHED: usize = 256;

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Relative to the directory, `/` between the components.
    pub name: String,
    /// Bytes, when it was looked at.
    pub size: u64,
}

/// All regular files below a directory, in the order of their names. Symbolic links and empty directories are left out.
pub struct Folder {
    root: PathBuf,
    files: Vec<Found>,
}

impl Folder {
    /// Looks at everything below `path`, an absolute path that may itself be a link; not below `skip`, the store's own
    /// place. `look` is asked now and then whether to go on.
    ///
    /// `UNSAFE_NAME` for a name that no collection can carry to another system, `COLLECTION_INVALID` for too many.
    pub fn walk(
        path: &Path,
        skip: Option<&Path>,
        look: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let root = fs::canonicalize(path).map_err(|error| broken(path, &error))?;
        let skip = skip.and_then(|path| fs::canonicalize(path).ok());
        let (mut files, mut folders) = (Vec::new(), vec![(root.clone(), String::new())]);
        while let Some((folder, prefix)) = folders.pop() {
            look()?;
            if skip.as_ref() == Some(&folder) {
                continue;
            }
            for entry in fs::read_dir(&folder).map_err(|error| broken(&folder, &error))? {
                let entry = entry.map_err(|error| broken(&folder, &error))?;
                let kind = entry.file_type().map_err(|error| broken(&entry.path(), &error))?;
                if !kind.is_file() && !kind.is_dir() {
                    continue;
                }
                let name = entry.file_name();
                let name = name.to_str().ok_or_else(|| no_text(&entry.path()))?;
                let name = format!("{prefix}{name}");
                check_name(&name, NameRules::Unix)
                    .map_err(|problem| unsafe_name(&entry.path(), &problem.to_string()))?;
                if kind.is_dir() {
                    folders.push((entry.path(), name + "/"));
                    continue;
                }
                let metadata = entry.metadata().map_err(|error| broken(&entry.path(), &error))?;
                files.push(Found { name, size: metadata.len() });
                if files.len() > MAX_NAMES {
                    let text = format!("there are more than {MAX_NAMES} files");
                    return Err(Failure::new(ErrorCode::CollectionInvalid, text));
                }
            }
        }
        files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { root, files })
    }

    /// The files.
    pub fn files(&self) -> &[Found] {
        &self.files
    }

    /// Bytes of all.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Leaves out the files whose number `keep` does not take.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(usize) -> bool) -> Self {
        let files = self.files.iter().enumerate().filter(|(n, _)| keep(*n));
        Self { root: self.root.clone(), files: files.map(|(_, file)| file.clone()).collect() }
    }

    /// Adds every file, several at once. All are on disk when this is done, and held as long as the answer lives.
    pub fn import(
        &self,
        store: &Store,
        mode: ImportMode,
        progress: NamedProgress<'_>,
    ) -> Result<Vec<(Entry, Hold)>, Failure> {
        let done = Mutex::new(Vec::with_capacity(self.files.len()));
        let flush = |later: Vec<(usize, Later)>| {
            for (n, Later { added, pending }) in later {
                if let Some(pending) = pending {
                    pending.wait()?;
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).push((n, added));
            }
            Ok(())
        };
        let import = |later: &mut Vec<(usize, Later)>, n: usize| {
            let Some(file) = self.files.get(n) else { return Ok(()) };
            let note = |phase: Phase, bytes: u64| progress(phase, bytes, &file.name);
            note(Phase::Copy, 0)?;
            later.push((n, store.import_file_later(&self.path(&file.name)?, mode, &note)?));
            if later.len() >= UNFLUSHED { flush(std::mem::take(later)) } else { Ok(()) }
        };
        for_each(self.files.len(), Vec::new, import, flush)?;
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(n, _)| *n);
        let entry = |(n, added): (usize, crate::store::Added)| {
            let name = self.files[n].name.clone();
            (Entry { name, hash: added.hash, size: added.size }, added.hold)
        };
        Ok(done.into_iter().map(entry).collect())
    }

    /// Where a file lies, if no folder on the way has become a link meanwhile.
    fn path(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.root.join(name);
        let real = fs::canonicalize(&path).map_err(|error| broken(&path, &error))?;
        if real == path { Ok(path) } else { Err(unsafe_name(&path, "it has become a link")) }
    }
}

fn broken(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(ErrorCode::StoreFailed, format!("{}: {error}", path.display()))
}

fn no_text(path: &Path) -> Failure {
    unsafe_name(path, "it is no UTF-8")
}

fn unsafe_name(path: &Path, why: &str) -> Failure {
    let text = format!("{:?} can't be in a collection: {why}", path.display().to_string());
    Failure::new(ErrorCode::UnsafeName, text)
}
