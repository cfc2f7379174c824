//! A file that appears whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::place::sync_folder;

/// The folders above a target. Those that were not there are made, and go again if nothing comes of it.
pub(super) struct Folders {
    folder: PathBuf,
    /// Outermost first.
    made: Vec<PathBuf>,
    kept: bool,
}

impl Folders {
    pub(super) fn of(target: &Path) -> io::Result<Self> {
        let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let absent = folder.ancestors().take_while(|folder| !folder.exists());
        let mut made: Vec<PathBuf> = absent.map(Path::to_owned).collect();
        made.reverse();
        let folders = Self { folder: folder.into(), made, kept: false };
        fs::create_dir_all(folder)?;
        Ok(folders)
    }

    pub(super) fn keep(mut self) {
        self.kept = true;
    }

    /// Brings the name of the target to the disk, and those of the folders that were made for it.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_folder(&self.folder)?;
        self.made.iter().filter_map(|folder| folder.parent()).try_for_each(sync_folder)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        if !self.kept {
            for folder in self.made.iter().rev() {
                // One that is not empty is somebody else's by now.
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

/// A name beside the target; dropped unpublished it is gone.
///
/// A process that is killed leaves it behind. The name follows from the target, so that whoever exports there again finds
/// it, and a lock says whether somebody is still at it (flock(2), which ends with the process).
pub(super) struct Staged {
    path: PathBuf,
    kept: bool,
    /// Keeps the lock.
    #[cfg(unix)]
    _held: File,
}

impl Staged {
    /// A new file.
    pub(super) fn file(target: &Path) -> io::Result<(Self, File)> {
        Self::new(target, |path| OpenOptions::new().write(true).create_new(true).open(path))
    }

    /// Another name of `original`.
    pub(super) fn link(original: &Path, target: &Path) -> io::Result<Self> {
        let link = |path: &Path| {
            fs::hard_link(original, path)?;
            File::open(path)
        };
        Ok(Self::new(target, link)?.0)
    }

    /// `make` makes a file that was not there, and opens it.
    fn new(target: &Path, make: impl Fn(&Path) -> io::Result<File>) -> io::Result<(Self, File)> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        // Short enough that a name of the longest length still has room.
        let stem: String = name.to_string_lossy().chars().take(32).collect();
        let path = |bytes: &[u8]| {
            let hex = data_encoding::HEXLOWER.encode(bytes);
            target.with_file_name(format!(".{stem}.{hex}.part"))
        };
        let own = path(&blake3::hash(name.as_encoded_bytes()).as_bytes()[..8]);
        remove_left_over(&own);
        match Self::made(own, &make) {
            // Somebody is at it, or it is something else.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result,
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        Self::made(path(&random), &make)
    }

    #[cfg(unix)]
    fn made(path: PathBuf, make: impl Fn(&Path) -> io::Result<File>) -> io::Result<(Self, File)> {
        let file = make(&path)?;
        // Where there are no locks nothing is ever taken for left over.
        let taken = matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock));
        if taken || !is_at(&file, &path) {
            // It was taken for left over before it was locked.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok((Self { path, kept: false, _held: file.try_clone()? }, file))
    }

    #[cfg(not(unix))]
    fn made(path: PathBuf, make: impl Fn(&Path) -> io::Result<File>) -> io::Result<(Self, File)> {
        let file = make(&path)?;
        Ok((Self { path, kept: false }, file))
    }

    /// Gives it its name; `AlreadyExists` if that is taken and must not be replaced.
    pub(super) fn publish(mut self, target: &Path, overwrite: bool) -> io::Result<()> {
        if overwrite {
            fs::rename(&self.path, target)?;
            // Two names of one file are left as they are (rename(2)).
            self.kept = fs::symlink_metadata(&self.path).is_err();
            return Ok(());
        }
        // A link never replaces what came meanwhile; where there are none, a look just before is the best there is.
        match fs::hard_link(&self.path, target) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) if fs::symlink_metadata(target).is_ok() => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            Err(_) => {
                fs::rename(&self.path, target)?;
                self.kept = true;
                Ok(())
            }
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a file that nobody is at any more.
#[cfg(unix)]
fn remove_left_over(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    // Neither a link is followed nor a pipe waited for: everybody may make something of that name.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(path) else { return };
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    if is_file && file.try_lock().is_ok() && is_at(&file, path) {
        let _ = fs::remove_file(path);
    }
}

/// Elsewhere a lock would keep its own holder from writing (LockFileEx), so nobody knows who is at it.
#[cfg(not(unix))]
fn remove_left_over(_: &Path) {}

/// Whether `path` still is this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (opened, named) = (file.metadata().map(id), fs::symlink_metadata(path).map(id));
    matches!((opened, named), (Ok(opened), Ok(named)) if opened == named)
}
