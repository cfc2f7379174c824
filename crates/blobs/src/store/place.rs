//! Where bytes lie that are too large for the catalog: a directory, or the heap.
//!
//! | Path | What |
//! |---|---|
//! | `catalog.redb` | rows, small blobs, tags |
//! | `data/<hash>.data` | bytes of one blob, whole or in part |
//! | `data/<hash>.outboard` | its pairs, if they are many or the blob is partial |
//! | `temp/<random>` | under construction; swept when the store opens |
//! | `lock` | held by the process that has the store open |

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use gaiwan_base::Hash;

use super::{heap::Heap, source::Source};

/// Data or pairs of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Data,
    Outboard,
}

impl Kind {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Outboard => "outboard",
        }
    }
}

pub(crate) enum Place {
    Heap(Mutex<HashMap<(Hash, Kind), Source>>),
    Directory { data: PathBuf, temp: PathBuf, durable: bool },
}

impl Place {
    pub(crate) fn heap() -> Self {
        Self::Heap(Mutex::default())
    }

    /// Makes the folders; every file in `temp` is left over from a process that died.
    pub(crate) fn directory(root: &Path, durable: bool) -> io::Result<Self> {
        let (data, temp) = (root.join("data"), root.join("temp"));
        fs::create_dir_all(&data)?;
        fs::create_dir_all(&temp)?;
        if durable {
            sync_folder(root)?;
        }
        for entry in fs::read_dir(&temp)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                sweep(&entry.path());
            }
        }
        Ok(Self::Directory { data, temp, durable })
    }

    /// Whether acknowledged means on disk.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self, Self::Directory { durable: true, .. })
    }

    fn path(data: &Path, hash: &Hash, kind: Kind) -> PathBuf {
        data.join(format!("{hash}.{}", kind.suffix()))
    }

    /// The path of an owned file, for messages; empty on the heap.
    pub(crate) fn owned_path(&self, hash: &Hash, kind: Kind) -> PathBuf {
        match self {
            Self::Heap(_) => PathBuf::new(),
            Self::Directory { data, .. } => Self::path(data, hash, kind),
        }
    }

    /// A place to build something.
    pub(crate) fn temp(&self) -> io::Result<Temp> {
        match self {
            Self::Heap(_) => Ok(Temp { path: None, source: Source::Heap(Arc::default()) }),
            Self::Directory { temp, .. } => {
                let mut random = [0; 16];
                getrandom::fill(&mut random).map_err(io::Error::other)?;
                let path = temp.join(data_encoding::HEXLOWER.encode(&random));
                let file =
                    OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
                Ok(Temp { path: Some(path), source: Source::File(Arc::new(file)) })
            }
        }
    }

    /// Makes `temp` the bytes of `hash`; they are on disk already, by [`Place::sync`].
    pub(crate) fn keep(&self, mut temp: Temp, hash: &Hash, kind: Kind) -> io::Result<()> {
        match self {
            Self::Heap(heap) => {
                lock(heap).insert((*hash, kind), temp.source.clone());
                Ok(())
            }
            Self::Directory { data, .. } => {
                if let Some(path) = &temp.path {
                    fs::rename(path, Self::path(data, hash, kind))?;
                }
                temp.path = None;
                Ok(())
            }
        }
    }

    /// Brings names in the folder to the disk.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        match self {
            Self::Directory { data, durable: true, .. } => sync_folder(data),
            _ => Ok(()),
        }
    }

    /// Brings bytes to the disk, where that is promised.
    pub(crate) fn sync(&self, source: &Source) -> io::Result<()> {
        match self {
            Self::Directory { durable: true, .. } => source.sync(),
            _ => Ok(()),
        }
    }

    /// What is owned of `hash`, for reading.
    pub(crate) fn open(&self, hash: &Hash, kind: Kind) -> io::Result<Source> {
        match self {
            Self::Heap(heap) => {
                let source = lock(heap).get(&(*hash, kind)).cloned();
                source.ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            Self::Directory { data, .. } => {
                Ok(Source::File(Arc::new(File::open(Self::path(data, hash, kind))?)))
            }
        }
    }

    /// The same for reading and writing; made if it is not there.
    pub(crate) fn open_partial(&self, hash: &Hash, kind: Kind) -> io::Result<Source> {
        match self {
            Self::Heap(heap) => Ok(lock(heap)
                .entry((*hash, kind))
                .or_insert_with(|| Source::Heap(Arc::new(Heap::default())))
                .clone()),
            Self::Directory { data, .. } => {
                let mut options = OpenOptions::new();
                let options = options.read(true).write(true).create(true).truncate(false);
                Ok(Source::File(Arc::new(options.open(Self::path(data, hash, kind))?)))
            }
        }
    }

    /// Removes what is owned of `hash`; what is not there is no error.
    pub(crate) fn remove(&self, hash: &Hash, kind: Kind) -> io::Result<()> {
        match self {
            Self::Heap(heap) => {
                lock(heap).remove(&(*hash, kind));
                Ok(())
            }
            Self::Directory { data, .. } => match fs::remove_file(Self::path(data, hash, kind)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Removes files that `wanted` does not know: what a delete that was cut short left behind. Foreign files stay.
    pub(crate) fn sweep(&self, wanted: impl Fn(&Hash, Kind) -> bool) -> io::Result<()> {
        let Self::Directory { data, .. } = self else { return Ok(()) };
        for entry in fs::read_dir(data)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some((stem, suffix)) = name.split_once('.') else { continue };
            let kind =
                [Kind::Data, Kind::Outboard].into_iter().find(|kind| kind.suffix() == suffix);
            let (Ok(hash), Some(kind)) = (Hash::parse(stem), kind) else { continue };
            if hash.to_hex() == stem && !wanted(&hash, kind) {
                sweep(&path);
            }
        }
        Ok(())
    }
}

/// Removes what is left over. If that can't be done it is there the next time, and no reason not to open.
fn sweep(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "a file that is left over can't be removed");
    }
}

/// Brings the names in a folder to the disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    // Elsewhere folders can't be opened, and the file system sees to it.
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Bytes under construction; dropped unkept they are gone.
pub(crate) struct Temp {
    path: Option<PathBuf>,
    source: Source,
}

impl Temp {
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What can't be removed now is swept when the store opens.
            let _ = fs::remove_file(path);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
