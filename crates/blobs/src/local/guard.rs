//! The way to a file below a directory, without following a link.
//!
//! A collection's names are checked before this (`proto::check_names`); here it is made sure that what lies in the target
//! already leads nowhere else. On Linux every folder is opened below its parent, not through a link, and the file is
//! reached through the open folder: nobody can put a link in its place meanwhile. Elsewhere each folder is looked at
//! before it is used.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;

/// Folders below one root. Keeps the last one open, for names come in order.
pub(super) struct Guard<'a> {
    root: &'a Path,
    last: Option<(String, Pinned)>,
}

impl<'a> Guard<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Self { root, last: None }
    }

    /// Makes the folders of `name` and gives a path to the file in them, good until the next call.
    pub(super) fn target(&mut self, name: &str) -> Result<PathBuf, Failure> {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let pinned = match self.last.take() {
            Some((known, pinned)) if known == folder => pinned,
            _ => self.enter(folder)?,
        };
        let path = pinned.path().join(file);
        self.last = Some((folder.to_owned(), pinned));
        Ok(path)
    }

    /// Says the true path in place of the one that goes through the open folder.
    pub(super) fn plain(&self, mut failure: Failure) -> Failure {
        if let Some((folder, pinned)) = &self.last {
            let pinned = pinned.path().display().to_string();
            let real = self.root.join(folder).display().to_string();
            failure.message = failure.message.replace(&pinned, &real);
        }
        failure
    }

    fn enter(&self, folder: &str) -> Result<Pinned, Failure> {
        let broken = |path: &Path, error: &io::Error| {
            let code = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::StoreFull,
                // A link or a file where a folder should be.
                io::ErrorKind::NotADirectory => ErrorCode::TargetExists,
                _ => ErrorCode::StoreFailed,
            };
            Failure::new(code, format!("{}: {error}", path.display()))
        };
        let mut real = self.root.to_owned();
        let mut pinned = Pinned::root(self.root).map_err(|error| broken(&real, &error))?;
        for component in folder.split('/').filter(|component| !component.is_empty()) {
            real.push(component);
            pinned = pinned.enter(component).map_err(|error| broken(&real, &error))?;
        }
        Ok(pinned)
    }
}

/// Makes a folder unless there is something of that name.
fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A folder that is certain to be one.
struct Pinned {
    path: PathBuf,
    /// Kept open: `path` goes through it.
    #[cfg(target_os = "linux")]
    _open: Option<fs::File>,
}

impl Pinned {
    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(target_os = "linux")]
impl Pinned {
    fn root(path: &Path) -> io::Result<Self> {
        if !Path::new("/proc/self/fd").exists() {
            return Ok(Self { path: path.to_owned(), _open: None });
        }
        // The user's own choice: links in it are followed.
        Self::open(path, 0)
    }

    fn enter(&self, component: &str) -> io::Result<Self> {
        let path = self.path.join(component);
        make(&path)?;
        if self._open.is_none() {
            return looked_at(&path).map(|()| Self { path, _open: None });
        }
        Self::open(&path, libc::O_NOFOLLOW)
    }

    fn open(path: &Path, flags: libc::c_int) -> io::Result<Self> {
        use std::os::{fd::AsRawFd, unix::fs::OpenOptionsExt};
        let flags = libc::O_PATH | libc::O_DIRECTORY | flags;
        let open = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        Ok(Self { path, _open: Some(open) })
    }
}

#[cfg(not(target_os = "linux"))]
impl Pinned {
    #[allow(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    fn root(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned() })
    }

    fn enter(&self, component: &str) -> io::Result<Self> {
        let path = self.path.join(component);
        make(&path)?;
        looked_at(&path).map(|()| Self { path })
    }
}

/// Fails unless it is a folder and no link to one.
fn looked_at(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Gone with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("gaiwan-guard-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            // Of another process of that number.
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("root")).unwrap();
            fs::create_dir_all(path.join("outside")).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn g6_a_link_or_a_file_on_the_way_is_not_entered() {
        let scratch = Scratch::new("way");
        let root = scratch.0.join("root");
        symlink(scratch.0.join("outside"), root.join("link")).unwrap();
        symlink("nowhere", root.join("broken")).unwrap();
        fs::write(root.join("file"), "x").unwrap();
        for name in ["link/a", "broken/a", "file/a", "link/b/c"] {
            let failure = Guard::new(&root).target(name).unwrap_err();
            assert_eq!(failure.code, ErrorCode::TargetExists, "{name}");
        }
        assert_eq!(fs::read_dir(scratch.0.join("outside")).unwrap().count(), 0);
        let mut guard = Guard::new(&root);
        for name in ["new/folder/a", "new/folder/b", "c"] {
            fs::write(guard.target(name).unwrap(), name).unwrap();
            assert_eq!(fs::read_to_string(root.join(name)).unwrap(), name);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn g6_a_link_that_takes_a_folders_place_meanwhile_is_not_followed() {
        let scratch = Scratch::new("swap");
        let (root, outside) = (scratch.0.join("root"), scratch.0.join("outside"));
        let mut guard = Guard::new(&root);
        let target = guard.target("folder/file").unwrap();
        fs::rename(root.join("folder"), root.join("moved")).unwrap();
        symlink(&outside, root.join("folder")).unwrap();
        fs::write(&target, "x").unwrap();
        assert!(root.join("moved/file").exists());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        // Messages say where the user thinks it is.
        let failure = Failure::new(ErrorCode::StoreFailed, format!("{}: no", target.display()));
        let message = guard.plain(failure).message;
        assert_eq!(message, format!("{}: no", root.join("folder/file").display()));
    }
}
