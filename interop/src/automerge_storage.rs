//! Storage of a repo: in memory, or in a folder so that the repo outlives its process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{fs, io};

/// One type for both, since samod compiles its whole loop anew for each.
#[derive(Clone)]
pub enum Shelf {
    Memory(Arc<Mutex<BTreeMap<Vec<String>, Vec<u8>>>>),
    Folder(Folder),
}

impl Shelf {
    pub fn new(directory: Option<PathBuf>) -> Self {
        directory.map_or_else(|| Self::Memory(Arc::default()), |path| Self::Folder(Folder(path)))
    }

    pub fn load(&self, key: &[String]) -> Option<Vec<u8>> {
        match self {
            Self::Memory(map) => map.lock().expect("never poisoned").get(key).cloned(),
            Self::Folder(folder) => fs::read(folder.path(key)).ok(),
        }
    }

    /// All keys that start so.
    pub fn load_range(&self, prefix: &[String]) -> Vec<(Vec<String>, Vec<u8>)> {
        match self {
            Self::Memory(map) => {
                let map = map.lock().expect("never poisoned");
                let found = map.iter().filter(|(key, _)| key.starts_with(prefix));
                found.map(|(key, value)| (key.clone(), value.clone())).collect()
            }
            Self::Folder(folder) => {
                let mut found = Vec::new();
                // A folder that is not there holds nothing.
                let _ = collect(&folder.path(prefix), prefix, &mut found);
                found
            }
        }
    }

    pub fn put(&self, key: Vec<String>, value: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Memory(map) => {
                map.lock().expect("never poisoned").insert(key, value);
                Ok(())
            }
            Self::Folder(folder) => folder.put(&key, &value),
        }
    }

    /// What is gone already is deleted.
    pub fn delete(&self, key: &[String]) {
        match self {
            Self::Memory(map) => {
                map.lock().expect("never poisoned").remove(key);
            }
            Self::Folder(folder) => {
                let _ = fs::remove_file(folder.path(key));
            }
        }
    }
}

/// A file a key, whose path is the key: as samod's own, which is behind its feature `tokio`.
#[derive(Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Whole or not at all, whenever the process is killed.
    fn put(&self, key: &[String], value: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let half = self.0.join(format!("half-{}", key.join("-")));
        fs::write(&half, value)?;
        fs::rename(half, path)
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
