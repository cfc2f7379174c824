//! Storage of a repo in a folder: a file a key, so that a repo outlives its process.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A key is a path below the folder, as in samod's own storage, which needs its feature `tokio`.
#[derive(Clone)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn load(&self, key: &[String]) -> Option<Vec<u8>> {
        fs::read(self.path(key)).ok()
    }

    /// All keys that start so.
    pub fn load_range(&self, prefix: &[String]) -> Vec<(Vec<String>, Vec<u8>)> {
        let mut found = Vec::new();
        // A folder that is not there holds nothing.
        let _ = collect(&self.path(prefix), prefix, &mut found);
        found
    }

    /// Whole or not at all, whenever the process is killed.
    pub fn put(&self, key: &[String], value: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let half = self.0.join(format!("half-{}", key.join("-")));
        fs::write(&half, value)?;
        fs::rename(half, path)
    }

    pub fn delete(&self, key: &[String]) -> io::Result<()> {
        fs::remove_file(self.path(key))
    }

    fn path(&self, key: &[String]) -> PathBuf {
        key.iter().fold(self.0.join("keys"), |path, part| path.join(part))
    }
}

fn collect(
    folder: &Path,
    prefix: &[String],
    found: &mut Vec<(Vec<String>, Vec<u8>)>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let mut key = prefix.to_vec();
        key.push(entry.file_name().to_string_lossy().into_owned());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &key, found)?;
        } else {
            found.push((key, fs::read(entry.path())?));
        }
    }
    Ok(())
}
